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
 * The tables of policies in README.md and on the site, from the field `kvpolicy` of their package.json and from what they require. Run,
 * it writes the tables: `npm run catalogue`.
 */

const POLICIES = "packages/policies";
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

/** What a policy says of itself for the tables. */
interface CatalogueEntry {
  readonly summary: string;
  readonly keeps: string;
  readonly loses: string;
  readonly cost: string;
  readonly source: { readonly text: string; readonly url: string };
}

/** What stands under a heading of a table, for a policy by the name of its folder. */
type Column = (name: string, entry: CatalogueEntry, policy: CataloguedPolicy) => string;

/** A file with a table of policies: its columns by their headings. */
export interface CataloguePage {
  readonly path: string;
  readonly columns: ReadonlyMap<string, Column>;
}

const keeps: Column = (_, entry) => entry.keeps;
const loses: Column = (_, entry) => entry.loses;
const needs: Column = (name, _, policy) => needsOf(name, policy);

/** The README of the repository, whose links are paths in it. */
export const README: CataloguePage = {
  path: "README.md",
  columns: new Map<string, Column>([
    ["policy", (name) => `[\`@kvpolicy/${name}\`](${POLICIES}/${name})`],
    ["in one line", (_, { summary }) => summary],
    ["keeps", keeps],
    ["loses", loses],
    ["needs", needs],
    ["source", (_, { source }) => `[${source.text}](${source.url})`],
  ]),
};

/** The page of the site on policies, whose links are pages of the site. */
export const POLICY_GUIDE: CataloguePage = {
  path: "apps/docs/guide/choosing-a-policy.md",
  columns: new Map<string, Column>([
    ["policy", (name) => `[${name}](/api/@kvpolicy/${name})`],
    ["keeps", keeps],
    ["loses", loses],
    ["needs", needs],
    ["costs", (_, { cost }) => cost],
  ]),
};

/**
 * The text of a page with the table that the packages make.
 *
 * @throws {Error} When the marks around the table are not there, a policy has no row or lacks a text, or a combinator does not
 * require what the inner policy does.
 */
export async function withCatalogue(page: CataloguePage, text: string): Promise<string> {
  const begin = text.indexOf(BEGIN);
  const end = text.indexOf(END);
  if (begin < 0 || end < begin) throw new Error(`${page.path} lacks the lines "${BEGIN}" and "${END}".`);
  const table = await format(renderCatalogue(page), {
    ...(await resolveConfig(page.path)),
    parser: "markdown",
  });
  return `${text.slice(0, begin)}${BEGIN}\n\n${table}\n${text.slice(end)}`;
}

function renderCatalogue({ columns }: CataloguePage): string {
  const missing = readdirSync(POLICIES, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !catalogue.has(entry.name))
    .map(({ name }) => name);
  if (missing.length > 0) throw new Error(`testing/catalogue.ts has no row for ${missing.join(", ")}.`);
  return [
    [...columns.keys()],
    Array<string>(columns.size).fill("---"),
    ...[...catalogue].map(([name, policy]) => {
      const entry = readEntry(name);
      return [...columns.values()].map((column) => column(name, entry, policy));
    }),
  ]
    .map((cells) => `| ${cells.join(" | ")} |`)
    .join("\n");
}

function readEntry(name: string): CatalogueEntry {
  const directory = `${POLICIES}/${name}`;
  const manifest = JSON.parse(readFileSync(`${directory}/package.json`, "utf8")) as { kvpolicy?: unknown };
  return checkEntry(directory, manifest.kvpolicy);
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
    cost: text("cost", entry?.cost),
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
  for (const page of [README, POLICY_GUIDE])
    writeFileSync(page.path, await withCatalogue(page, readFileSync(page.path, "utf8")));
