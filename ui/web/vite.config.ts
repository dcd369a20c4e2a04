import { defineConfig } from "vite";

// While developing, every API is asked of a Tarn that runs beside (`TARN_DEV` names another one).
const server = process.env.TARN_DEV ?? "http://127.0.0.1:4320";
const apis = ["/api", "/v1", "/-/", "/livez", "/readyz", "/healthz", "/prometheus", "/alertmanager"];
const proxy = Object.fromEntries(apis.map((path) => [path, { target: server, changeOrigin: true }]));

export default defineConfig({
  base: "./",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  resolve: { alias: { react: "preact/compat", "react-dom": "preact/compat" } },
  build: {
    target: "es2022",
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    license: { fileName: "licenses.md" },
    rollupOptions: {
      output: {
        // One lazy chunk for whatever edits text: pages share it, the first page does without.
        manualChunks: (id) => (/codemirror|lezer|crelt|style-mod|w3c-keyname|marijn/.test(id) ? "editor" : undefined),
      },
    },
  },
  server: {
    proxy: {
      ...proxy,
      // `/metrics` and `/status` are pages for browsers, and data for everybody else.
      "/status": { target: server, bypass: (req) => (req.headers.accept?.includes("text/html") ? "/index.html" : undefined) },
    },
  },
});
