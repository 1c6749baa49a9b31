import { defineConfig } from "tsup";

/** What differs between the packages: the source files that `exports` names. */
interface LibraryOptions {
  /** Entry files, relative to the package. */
  readonly entry: readonly string[];
}

/**
 * The one build of every package: ESM for Node and browsers alike, with declarations and source maps.
 * It keeps to the plain options so that moving to another bundler means changing this file alone.
 */
export function library({ entry }: LibraryOptions): ReturnType<typeof defineConfig> {
  return defineConfig({
    entry: [...entry],
    format: "esm",
    target: "es2022",
    platform: "neutral",
    dts: true,
    sourcemap: true,
    clean: true,
    splitting: true,
    treeshake: true,
    // Node's own modules stay what they are called: `fs` without its prefix is a package to other runtimes.
    removeNodeProtocol: false,
    external: [/^node:/],
  });
}
