import { readFile } from "node:fs/promises";

import { checkPackage, createPackageFromTarballData } from "@arethetypeswrong/core";
import { publint } from "publint";
import { formatMessage } from "publint/utils";

import type { PackedPackage } from "./packages.js";

/** How nobody resolves packages that are ES modules alone. */
const OTHER_RESOLUTIONS = new Set(["node10", "node16-cjs"]);

/** What publint, at its strictest, says against a tarball. */
export async function publintFaults({ manifest, tarball }: PackedPackage): Promise<string[]> {
  const { messages, pkg } = await publint({ pack: { tarball: await arrayBufferOf(tarball) }, strict: true });
  return messages
    .filter(({ type }) => type !== "suggestion")
    .map((message) => `${manifest.name}: ${formatMessage(message, pkg, { color: false }) ?? message.code}`);
}

/** What "Are the types wrong?" says against a tarball, for those who import ES modules. */
export async function typeResolutionFaults({ manifest, tarball }: PackedPackage): Promise<string[]> {
  const analysis = await checkPackage(createPackageFromTarballData(new Uint8Array(await readFile(tarball))));
  if (!analysis.types) return manifest.exports?.["."] ? [`${manifest.name}: has no types`] : [];
  return analysis.problems
    .filter((problem) => !("resolutionKind" in problem && OTHER_RESOLUTIONS.has(problem.resolutionKind)))
    .map((problem) => `${manifest.name}: ${JSON.stringify(problem)}`);
}

async function arrayBufferOf(path: string): Promise<ArrayBuffer> {
  return Uint8Array.from(await readFile(path)).buffer;
}
