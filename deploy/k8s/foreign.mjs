// Holds resources of other projects' kinds against the models that were generated from those projects' own types.
//
//   node deploy/k8s/foreign.mjs MODELS built.yaml...
//
// MODELS is where `make manifests` installed the packages. A model's own validation knows types, patterns and bounds and
// takes fields that it doesn't know, as the API server would prune them; TypeScript reads the same model's declaration,
// and an object literal with a field that is not declared is an error to it.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [models, ...files] = process.argv.slice(2);
const require = createRequire(resolve(models, "package.json"));
const ts = require("typescript");
const yaml = require("yaml");

const PACKAGES = {
  "cert-manager.io": "cert-manager",
  "gateway.networking.k8s.io": "gateway-api",
  "monitoring.coreos.com": "prometheus-operator",
  "security.istio.io": "istio",
};

// One check for each distinct resource: most are in several builds.
function foreignResources() {
  const found = new Map();
  for (const file of files) {
    for (const document of yaml.parseAllDocuments(readFileSync(file, "utf8"), { maxAliasCount: -1 })) {
      const resource = document.toJS();
      const group = resource?.apiVersion?.split("/")[0];
      if (group in PACKAGES) found.set(JSON.stringify(resource), { group, resource, file: basename(file, ".yaml") });
    }
  }
  return [...found.values()];
}

function directoryOf({ group, resource }) {
  const version = resource.apiVersion.split("/")[1];
  return join(resolve(models), "node_modules/@kubernetes-models", PACKAGES[group], group, version);
}

async function invalid(entry) {
  const module = await import(pathToFileURL(join(directoryOf(entry), `${entry.resource.kind}.js`)));
  try {
    new module[entry.resource.kind](entry.resource).validate();
    return [];
  } catch (error) {
    return [error.message];
  }
}

// Types are asked for in one program: starting TypeScript is what takes time.
function undeclared(entries) {
  const sources = new Map(
    entries.map((entry, number) => {
      const { kind } = entry.resource;
      const from = JSON.stringify(join(directoryOf(entry), kind));
      const text = `import { I${kind} } from ${from};\nexport const given: I${kind} = ${JSON.stringify(entry.resource)};\n`;
      return [join(resolve(models), `resource-${number}.ts`), { entry, text }];
    }),
  );
  const options = { noEmit: true, strict: true, skipLibCheck: true, module: ts.ModuleKind.ESNext, types: [] };
  options.moduleResolution = ts.ModuleResolutionKind.Bundler;
  const host = ts.createCompilerHost(options);
  const { fileExists, getSourceFile, readFile } = host;
  host.fileExists = (name) => sources.has(name) || fileExists(name);
  host.readFile = (name) => sources.get(name)?.text ?? readFile(name);
  host.getSourceFile = (name, target, ...rest) =>
    sources.has(name) ? ts.createSourceFile(name, sources.get(name).text, target) : getSourceFile(name, target, ...rest);
  return ts.getPreEmitDiagnostics(ts.createProgram([...sources.keys()], options, host)).map((found) => ({
    entry: sources.get(found.file?.fileName)?.entry,
    message: ts.flattenDiagnosticMessageText(found.messageText, " "),
  }));
}

const entries = foreignResources();
const problems = undeclared(entries);
for (const entry of entries) {
  for (const message of await invalid(entry)) problems.push({ entry, message });
}
for (const { entry, message } of problems) {
  const name = entry ? `${entry.file}: ${entry.resource.kind}/${entry.resource.metadata.name}` : "models";
  console.error(`manifests: ${name}: ${message}`);
}
console.log(`manifests: ${entries.length} resources of other projects' kinds, ${problems.length} problems`);
process.exit(problems.length || !entries.length ? 1 : 0);
