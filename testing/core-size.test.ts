import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { describe, expect, test } from "vitest";

const LARGEST_GZIPPED_BYTES = 10_240;

describe("the bundle of @kvpolicy/core", () => {
  test("is small, complete and free of Node", async () => {
    const { outputFiles, metafile } = await build({
      entryPoints: ["packages/core/src/index.ts"],
      bundle: true,
      minify: true,
      format: "esm",
      target: "es2022",
      platform: "neutral",
      metafile: true,
      write: false,
      logLevel: "silent",
    });
    const [bundle] = outputFiles;
    expect(Object.values(metafile.outputs).flatMap(({ imports }) => imports)).toEqual([]);
    expect(Object.keys(metafile.inputs).filter((path) => !path.startsWith("packages/core/src/"))).toEqual([]);
    expect(bundle!.text).not.toMatch(/\bnode:|\brequire\(|\bprocess\.|\bBuffer\b/);
    expect(gzipSync(bundle!.contents).byteLength).toBeLessThan(LARGEST_GZIPPED_BYTES);
  });
});
