import { sinkWindow } from "@kvpolicy/sink-window";
import { window } from "@kvpolicy/window";
import { beforeAll, describe, expect, it } from "vitest";

import { measureBudgets } from "../experiments/budgets/measure-budgets.js";
import { describeExperiment } from "../experiments/describe-experiment.js";
import { measurePerplexity } from "../experiments/perplexity/measure-perplexity.js";
import { measureSinks, probeSinks } from "../experiments/sinks/measure-sinks.js";
import { addResults, type ExperimentResults, type ResultsFile } from "../results/results-file.js";
import { fakeText } from "../testing/fake-contender.js";
import { fakeModel } from "../testing/fake-model.js";
import { fakeSurroundings } from "../testing/fake-surroundings.js";
import { renderReport } from "./render-report.js";
import { renderTerminal } from "./render-terminal.js";

const HOSTILE = `</code></style><script>alert(1)</script><img src=x onerror="alert('1')">&`;
const DISCLOSURE = "something was planted";

/** Every experiment that reads text, on a model of a name. */
async function measureAll(
  name: string,
  sha256: string,
  { disclosure = null, word = "" }: { readonly disclosure?: string | null; readonly word?: string } = {},
): Promise<ExperimentResults[]> {
  const model = fakeModel();
  const text = { name: `A book${word}`, sha256: "b".repeat(64), tokens: fakeText(120) };
  const create = (): ReturnType<typeof sinkWindow> => sinkWindow({ stride: 2 });
  const policy = { name: `four sinks${word}`, create };
  const options = (
    experiment: string,
  ): Pick<Parameters<typeof measureBudgets>[0], "model" | "surroundings"> => ({
    model,
    surroundings: {
      ...fakeSurroundings({ name, sha256, disclosure }),
      command: `kvpolicy ${experiment} --model ${name}`,
    },
  });
  return [
    await measurePerplexity({
      ...options("perplexity"),
      texts: [text],
      policies: [policy, { name: "window", create: () => window({ stride: 2 }) }],
      budgets: [16, 24],
      seed: 1,
    }),
    await probeSinks({
      ...options("probe"),
      text,
      budget: 24,
      create: (sinks) => sinkWindow({ sinks }),
      seed: 1,
    }),
    await measureSinks({
      ...options("sinks"),
      text,
      budget: 24,
      stride: 1,
      create: (sinks) => sinkWindow({ sinks }),
      seed: 1,
    }),
    await measureBudgets({ ...options("budgets"), text, policy, budgets: [16, 24], seed: 1 }),
  ];
}

function fileOf(all: readonly ExperimentResults[]): ResultsFile {
  return all.reduce<ResultsFile | undefined>((file, results) => addResults(file, results), undefined)!;
}

let first: ExperimentResults[];
let second: ExperimentResults[];
let file: ResultsFile;
let page: string;
beforeAll(async () => {
  first = await measureAll("first.gguf", "1".repeat(64), { disclosure: DISCLOSURE });
  second = await measureAll("second.gguf", "2".repeat(64));
  file = fileOf([...first, ...second]);
  page = await renderReport(file);
});

/** The section of each experiment, in the order of the page. */
function sectionsOf(html: string): string[] {
  return html.split("<section ").slice(1);
}

describe("a report of several experiments on two models", () => {
  it("has a section for each, which its table of contents leads to", () => {
    expect(file.experiments).toHaveLength(8);
    const sections = sectionsOf(page);
    expect(sections).toHaveLength(8);
    const links = [...page.matchAll(/<li><a href="#([^"]*)">([^<]*)<\/a><\/li>/g)].map(([, id, name]) => [
      id,
      name,
    ]);
    expect(links).toEqual(
      sections.map((section) => [/^id="([^"]*)"/.exec(section)![1], /<h2>([^<]*)<\/h2>/.exec(section)![1]]),
    );
    // Which of the two models it is stands in the title.
    expect(links.map(([, name]) => name)).toEqual(
      file.experiments.map((results) => `${describeExperiment(results).title}: ${results.model.name}`),
    );
    expect(page).toContain("<h1>KV-cache policies on second.gguf and first.gguf</h1>");
  });

  it("uses no id twice, and points to none that is not there", () => {
    const ids = [...page.matchAll(/\sid="([^"]*)"/g)].map(([, id]) => id);
    expect(ids.length).toBeGreaterThan(8 + 8 * 4);
    expect(new Set(ids).size).toBe(ids.length);
    const wanted = [
      ...[...page.matchAll(/\shref="#([^"]*)"/g)].map(([, id]) => id),
      ...[...page.matchAll(/url\(#([^)"]*)\)/g)].map(([, id]) => id),
      ...[...page.matchAll(/aria-labelledby="([^"]*)"/g)].flatMap(([, list]) => list!.split(" ")),
    ];
    for (const id of wanted) expect(ids).toContain(id);
  });

  it("has the command and the numbers under each figure", () => {
    const sections = sectionsOf(page);
    for (const [index, results] of file.experiments.entries()) {
      const figures = [...sections[index]!.matchAll(/<figure>.*?<\/figure>/gs)].map(([figure]) => figure);
      expect(figures).toHaveLength(describeExperiment(results).charts.length);
      for (const figure of figures) {
        expect(figure).toMatch(new RegExp(`<figcaption>.*<code>${results.command}</code></figcaption>`));
        expect(figure.match(/<table/g)).toHaveLength(1);
        expect(figure.match(/<svg/g)).toHaveLength(2);
      }
      expect(figures.length).toBeGreaterThan(0);
    }
  });

  it("discloses in every figure and table of the model that has something to disclose, and in no other", () => {
    const sections = sectionsOf(page);
    for (const [index, results] of file.experiments.entries()) {
      const [section, described] = [sections[index]!, describeExperiment(results)];
      const places = section.match(/<figcaption>[^\n]*?planted|<caption>[^\n]*?planted/g) ?? [];
      const isFirst = results.model.name === "first.gguf";
      expect(places).toHaveLength(isFirst ? described.charts.length + described.tables.length : 0);
      expect(section.includes(`first.gguf: ${DISCLOSURE}.`)).toBe(isFirst);
    }
  });

  it("shows whatever an experiment says", () => {
    const sections = sectionsOf(page);
    for (const [index, results] of file.experiments.entries()) {
      const { verdicts, notes, limits, lead, tables, definitions, settings } = describeExperiment(results);
      const words = [
        lead,
        ...verdicts,
        ...notes,
        ...limits,
        ...tables.flatMap(({ rows, columns }) => [...columns, ...rows.flat()]),
        ...definitions.flatMap(({ term, meaning }) => [term, meaning]),
        ...settings.flat(),
      ];
      const shown = sections[index]!.replaceAll("&#39;", "'").replaceAll("&quot;", '"');
      for (const word of words) expect(shown).toContain(word);
    }
  });

  it("needs no script, no network and no other file", () => {
    expect(page).not.toMatch(/<script|javascript:|\son\w+=/i);
    expect(page).not.toMatch(/https?:|<link|@import|\ssrc=|url\((?!#)|<iframe|<object|<embed/i);
  });

  it("closes what it opens", () => {
    const open: string[] = [];
    for (const [, slash, tag, rest] of page.matchAll(
      /<(\/?)([a-z][a-z0-9]*)((?:\s+[\w:-]+="[^"]*")*\s*\/?)>/gi,
    )) {
      if (["meta"].includes(tag!) || rest!.endsWith("/")) continue;
      if (slash === "") open.push(tag!);
      else expect(open.pop()).toBe(tag);
    }
    expect(open).toEqual([]);
  });
});

describe("a report of one experiment", () => {
  it("has no table of contents, and no model in its title", async () => {
    const alone = await renderReport(fileOf([first[1]!]));
    expect(alone).not.toContain("<nav>");
    expect(alone).toContain(`<h2>${describeExperiment(first[1]!).title}</h2>`);
  });

  it("takes names of models, texts and policies and the command for text, everywhere", async () => {
    const hostile = fileOf(
      await measureAll(`model${HOSTILE}`, "3".repeat(64), { disclosure: HOSTILE, word: HOSTILE }),
    );
    const html = await renderReport(hostile);
    expect(html).not.toMatch(/<script|<img|<\/style>.*<\/style>/is);
    expect(html.match(/<\/style>/g)).toHaveLength(1);
    const words = html.match(/&lt;img src=x/g) ?? [];
    expect(words.length).toBeGreaterThan(30);
    // In an attribute, too.
    for (const [, label] of html.matchAll(/aria-label="([^"]*)"/g)) expect(label).not.toContain("<");
  });
});

describe("renderTerminal", () => {
  it("shows whatever an experiment says, of every one", () => {
    for (const results of first) {
      const text = renderTerminal(results, { width: 100 });
      const { verdicts, notes, lead, tables, definitions, charts } = describeExperiment(results);
      for (const verdict of verdicts) expect(text).toContain(`→ ${verdict}`);
      for (const note of notes) expect(text).toContain(`! ${note}`);
      for (const { meaning } of definitions) expect(text).toContain(meaning);
      for (const { caption } of tables) expect(text).toContain(caption);
      for (const { title } of charts) expect(text).toContain(title);
      expect(text).toContain(lead);
      expect(text).toContain(`Model first.gguf: ${DISCLOSURE}.`);
      expect(text).not.toContain("\u001B");
    }
    expect(renderTerminal(second[0]!)).not.toContain("Model second.gguf");
  });
});
