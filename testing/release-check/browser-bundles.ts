import { join } from "node:path";
import { gzipSync } from "node:zlib";

import { build, type BuildFailure, type BuildOptions } from "esbuild";

import { ReleaseFault } from "./release-fault.js";

/** What a page imports, and the most that this may weigh. */
interface Bundle {
  readonly name: string;
  readonly code: string;
  /** What the README of the package has esbuild leave out. */
  readonly external?: readonly string[];
  /** Bytes after gzip; none where the size is only told. */
  readonly limit?: number;
}

const bundles: readonly Bundle[] = [
  {
    name: "core + sink-window",
    code: `export * from "@kvpolicy/core"; export * from "@kvpolicy/sink-window";`,
    limit: 11 * 1024,
  },
  {
    name: "reference-backend + sink-window",
    code: `export * from "@kvpolicy/reference-backend"; export * from "@kvpolicy/sink-window";`,
    external: ["fs", "fs/promises", "stream", "url"],
  },
];

/** Bundles for a browser what is installed in a project, and says what each bundle weighs. */
export async function weighBundles(project: string): Promise<string> {
  const weights = await Promise.all(bundles.map((bundle) => weigh(bundle, project)));
  return weights.join("; ");
}

async function weigh(
  { name, code, external = [], limit = Infinity }: Bundle,
  project: string,
): Promise<string> {
  const minified = await minify(code, external, project);
  const gzipped = gzipSync(minified).byteLength;
  const weight = `${name}: ${kibibytes(minified.byteLength)} minified, ${kibibytes(gzipped)} gzip`;
  if (gzipped > limit) throw new ReleaseFault([`${weight}, more than ${kibibytes(limit)}`]);
  return weight;
}

async function minify(code: string, external: readonly string[], project: string): Promise<Uint8Array> {
  const options = {
    stdin: { contents: code, resolveDir: project, sourcefile: "page.js" },
    absWorkingDir: project,
    outfile: join(project, "page.bundle.js"),
    external: [...external],
    bundle: true,
    minify: true,
    format: "esm" as const,
    platform: "browser" as const,
    target: "es2022",
    write: false as const,
    logLevel: "silent",
  } satisfies BuildOptions;
  try {
    const { outputFiles } = await build(options);
    return outputFiles[0]!.contents;
  } catch (error) {
    if (!(error instanceof Error && "errors" in error)) throw error;
    const { errors } = error as BuildFailure;
    throw new ReleaseFault(
      errors.map(({ text, location }) => `in a browser: ${text} (${location?.file ?? "page.js"})`),
    );
  }
}

function kibibytes(bytes: number): string {
  return `${(bytes / 1024).toFixed(1)} KiB`;
}
