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
        codeSplitting: {
          groups: [
            // What every page needs comes first: no lazy chunk may hold it.
            { name: "base", test: /node_modules[\\/](preact|@preact)[\\/]/, priority: 2 },
            // One lazy chunk for whatever edits text: pages share it, the first page does without.
            { name: "editor", test: /node_modules[\\/](@codemirror|@lezer|@prometheus-io|crelt|style-mod|w3c-keyname|@marijn)[\\/]/, priority: 1 },
          ],
        },
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
