import { createRequire } from "node:module";

import { z } from "zod";

/** Version of this package. */
export function packageVersion(): string {
  const manifest: unknown = createRequire(import.meta.url)("../package.json");
  return z.object({ version: z.string() }).parse(manifest).version;
}
