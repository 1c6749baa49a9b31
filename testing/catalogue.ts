import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { argv } from "node:process";
import { fileURLToPath } from "node:url";

import type { KVCachePolicy } from "@kvpolicy/core";
import { dense } from "@kvpolicy/dense";
import { dispersed } from "@kvpolicy/dispersed";
import { headTail } from "@kvpolicy/head-tail";
import { pinned } from "@kvpolicy/pinned";
import { recompute } from "@kvpolicy/recompute";
import { separator } from "@kvpolicy/separator";
import { sinkWindow } from "@kvpolicy/sink-window";
import { surprise } from "@kvpolicy/surprise";
import { turnAligned } from "@kvpolicy/turn-aligned";
import { window } from "@kvpolicy/window";
import { format, resolveConfig } from "prettier";

/*
 * The table of policies in README.md, from the field `kvpolicy` of their package.json and from what they require. Run, it writes
 * the table: `npm run catalogue`.
 */

const POLICIES = "packages/policies";
const README = "README.md";
const BEGIN = "<!-- catalogue: `npm run catalogue` writes this table from the packages -->";
const END = "<!-- end of the catalogue -->";

/** A policy, or what makes one of another, which is then asked of several. */
export type CataloguedPolicy = KVCachePolicy | ((inner: KVCachePolicy) => KVCachePolicy);

/** The rows in their order, by folder. */
const catalogue: ReadonlyMap<string, CataloguedPolicy> = new Map<string, CataloguedPolicy>([
  ["dense", dense()],
  ["window", window()],
  ["recompute", recompute()],
  ["sink-window", sinkWindow()],
  ["head-tail", headTail()],
  ["separator", separator({ separatorTokens: [0] })],
  ["dispersed", dispersed()],
  ["surprise", surprise()],
  ["pinned", pinned],
  ["turn-aligned", turnAligned],
]);

/** What a policy says of itself for the table. */
interface CatalogueEntry {
  readonly summary: string;
  readonly keeps: string;
  readonly loses: string;
  readonly source: { readonly text: string; readonly url: string };
}

/**
 * The README with the table that the packages make.
 *
 * @throws {Error} When the marks around the table are not there, a policy has no row or lacks a text, or a combinator does not
 * require what the inner policy does.
 */
export async function withCatalogue(readme: string): Promise<string> {
  const begin = readme.indexOf(BEGIN);
  const end = readme.indexOf(END);
  if (begin < 0 || end < begin) throw new Error(`${README} lacks the lines "${BEGIN}" and "${END}".`);
  const table = await format(renderCatalogue(), { ...(await resolveConfig(README)), parser: "markdown" });
  return `${readme.slice(0, begin)}${BEGIN}\n\n${table}\n${readme.slice(end)}`;
}

function renderCatalogue(): string {
  const missing = readdirSync(POLICIES, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !catalogue.has(entry.name))
    .map(({ name }) => name);
  if (missing.length > 0) throw new Error(`testing/catalogue.ts has no row for ${missing.join(", ")}.`);
  return [
    ["policy", "in one line", "keeps", "loses", "needs", "source"],
    Array<string>(6).fill("---"),
    ...[...catalogue].map(([name, policy]) => rowOf(name, policy)),
  ]
    .map((cells) => `| ${cells.join(" | ")} |`)
    .join("\n");
}

function rowOf(name: string, policy: CataloguedPolicy): string[] {
  const directory = `${POLICIES}/${name}`;
  const manifest = JSON.parse(readFileSync(`${directory}/package.json`, "utf8")) as { kvpolicy?: unknown };
  const { summary, keeps, loses, source } = checkEntry(directory, manifest.kvpolicy);
  return [
    `[\`@kvpolicy/${name}\`](${directory})`,
    summary,
    keeps,
    loses,
    needsOf(name, policy),
    `[${source.text}](${source.url})`,
  ];
}

/** Checks the field `kvpolicy` of a package.json, whose texts become cells as they are. */
export function checkEntry(directory: string, field: unknown): CatalogueEntry {
  const entry = field as { readonly [Key in keyof CatalogueEntry]?: unknown } | undefined;
  const source = entry?.source as { readonly text?: unknown; readonly url?: unknown } | undefined;
  const text = (name: string, value: unknown): string => {
    if (typeof value === "string" && /^[^|\n]+$/.test(value)) return value;
    throw new Error(`${directory}/package.json: kvpolicy.${name} must be one line of text without "|".`);
  };
  return {
    summary: text("summary", entry?.summary),
    keeps: text("keeps", entry?.keeps),
    loses: text("loses", entry?.loses),
    source: { text: text("source.text", source?.text), url: text("source.url", source?.url) },
  };
}

/** What a policy requires of a backend, as the table says it. */
export function needsOf(name: string, policy: CataloguedPolicy): string {
  if (typeof policy !== "function")
    return policy.requires.length === 0 ? "–" : policy.requires.map((need) => `\`${need}\``).join(", ");
  for (const inner of [dense(), sinkWindow(), surprise()]) {
    if (policy(inner).requires.join() === inner.requires.join()) continue;
    throw new Error(
      `${name} does not require what ${inner.name} in it does, so the table cannot say "as inner".`,
    );
  }
  return "as inner";
}

if (argv[1] === fileURLToPath(import.meta.url))
  writeFileSync(README, await withCatalogue(readFileSync(README, "utf8")));
