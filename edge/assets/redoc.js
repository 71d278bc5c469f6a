"use strict";
Redoc.init("/openapi.json", { disableSearch: true, hideDownloadButtons: false }, document.getElementById("page"));
