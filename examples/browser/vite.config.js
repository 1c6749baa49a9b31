import { defineConfig } from "vite";

export default defineConfig({
  // Any folder of any static server will do.
  base: "./",
  worker: { format: "es" },
  // The model lies beside this package's module, where a pre-bundled copy would not find it.
  optimizeDeps: { exclude: ["@kvpolicy/tiny-models"] },
});
