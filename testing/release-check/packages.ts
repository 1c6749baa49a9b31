import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";

import { runCommand, type CommandPlace } from "./run-command.js";

/** What the checks read of a package.json. */
export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly private?: boolean;
  readonly bin?: Readonly<Record<string, string>>;
  readonly exports?: Readonly<Record<string, string | Readonly<Record<string, string>>>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

/** A tarball as npm would publish it, and the folder that it was unpacked into. */
export interface PackedPackage {
  readonly manifest: Manifest;
  readonly tarball: string;
  readonly folder: string;
  /** Paths in the package, with slashes. */
  readonly files: readonly string[];
  /** Bytes to download. */
  readonly size: number;
  /** Bytes on the reader's disk. */
  readonly unpackedSize: number;
}

/** What `npm pack --json` says of one package. */
interface PackReport {
  readonly name: string;
  readonly filename: string;
  readonly size: number;
  readonly unpackedSize: number;
  readonly files: readonly { readonly path: string }[];
}

/** Names of the workspaces that are published, in the order of the alphabet. */
export async function publicPackages(place: CommandPlace): Promise<string[]> {
  const workspaces = JSON.parse(await runCommand(place, "npm", "query", ".workspace")) as Manifest[];
  return workspaces
    .filter((workspace) => workspace.private !== true)
    .map(({ name }) => name)
    .toSorted();
}

/** Packs packages of the repository into a folder, and unpacks each beside its tarball. */
export async function packPackages(
  place: CommandPlace,
  names: readonly string[],
  into: string,
): Promise<PackedPackage[]> {
  const workspaces = names.flatMap((name) => ["--workspace", name]);
  const output = await runCommand(place, "npm", "pack", "--json", "--pack-destination", into, ...workspaces);
  const reports = JSON.parse(output) as PackReport[];
  return Promise.all(reports.map((report) => unpack(report, into, place.signal)));
}

async function unpack(
  { filename, size, unpackedSize, files }: PackReport,
  into: string,
  signal: AbortSignal | undefined,
): Promise<PackedPackage> {
  const tarball = join(into, filename);
  const folder = tarball.replace(/\.tgz$/, "");
  await mkdir(folder, { recursive: true });
  await runCommand({ cwd: into, signal }, "tar", "-xzf", tarball, "-C", folder, "--strip-components=1");
  const manifest = JSON.parse(await readFile(join(folder, "package.json"), "utf8")) as Manifest;
  return { manifest, tarball, folder, files: files.map(({ path }) => path), size, unpackedSize };
}
