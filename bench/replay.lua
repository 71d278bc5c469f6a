-- Replays pre-signed requests, each exactly once: thread n reads the n-th file named after `--`.
-- Each record is its length in six digits, then the raw request. Results leave as one JSON line.
local threads = {}

function setup(thread)
  thread:set("lane", #threads + 1)
  table.insert(threads, thread)
end

function init(args)
  issued, ran_out = 0, 0
  records = assert(io.open(args[lane], "rb"))
  records:setvbuf("full", 1048576)
end

function request()
  local size = records:read(6)
  if size then
    issued = issued + 1
    return records:read(tonumber(size))
  end
  -- Repeating a payment would measure duplicates, so the run ends here and says so.
  ran_out = 1
  wrk.thread:stop()
  return "GET /ran-out HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
end

function done(summary, latency, requests)
  local sent, empty = 0, 0
  for _, thread in ipairs(threads) do
    sent = sent + thread:get("issued")
    empty = empty + thread:get("ran_out")
  end
  local e = summary.errors
  print(string.format(
    'REPLAY {"requests":%d,"duration_us":%d,"failed":%d,"socket_errors":%d,"timeouts":%d,' ..
    '"p50_us":%d,"p99_us":%d,"p999_us":%d,"max_us":%d,"issued":%d,"lanes_run_out":%d}',
    summary.requests, summary.duration, e.status, e.connect + e.read + e.write, e.timeout,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9), latency.max, sent, empty))
end
