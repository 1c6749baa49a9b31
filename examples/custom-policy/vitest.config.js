import { defineConfig } from "vitest/config";

// Without a configuration here, vitest takes the next one above this folder.
export default defineConfig({ test: { include: ["src/**/*.test.ts"] } });
