import { describeExperiment } from "../experiments/describe-experiment.js";
import type { ExperimentResults, ResultsFile } from "../results/results-file.js";
import { chartTable } from "./chart-table.js";
import { describeSurroundings } from "./describe-surroundings.js";
import { escapeHtml } from "./html.js";
import type { Chart, ReportSection, TextTable } from "./report-section.js";
import { REPORT_STYLE } from "./report-style.js";
import { renderSvgChart } from "./svg-chart.js";

/** The results as one HTML page that needs nothing else: no script, no network, no other file. */
export async function renderReport({ experiments }: ResultsFile): Promise<string> {
  const models = [...new Set(experiments.map(({ model }) => model.name))];
  const title = `KV-cache policies on ${models.join(" and ")}`;
  const sections: string[] = [];
  const entries: string[] = [];
  for (const [index, results] of experiments.entries()) {
    const section = describeExperiment(results);
    const id = `experiment-${index + 1}`;
    const name = models.length > 1 ? `${section.title}: ${results.model.name}` : section.title;
    entries.push(`<li><a href="#${id}">${escapeHtml(name)}</a></li>`);
    sections.push(await renderSection(section, { results, id, name }));
  }
  const contents = entries.length > 1 ? `<nav><ol>\n${entries.join("\n")}\n</ol></nav>` : "";
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>${REPORT_STYLE}</style>
</head>
<body>
<main>
<h1>${escapeHtml(title)}</h1>
${contents}
${sections.join("\n")}
</main>
</body>
</html>
`;
}

interface SectionContext {
  readonly results: ExperimentResults;
  readonly id: string;
  readonly name: string;
}

async function renderSection(section: ReportSection, { results, id, name }: SectionContext): Promise<string> {
  const { model, command } = results;
  const disclosure = model.disclosure === null ? "" : ` Of this model: ${model.disclosure}.`;
  const figures: string[] = [];
  for (const [index, chart] of section.charts.entries()) {
    figures.push(await renderFigure(chart, { id: `${id}-chart-${index + 1}`, command, disclosure }));
  }
  const limits =
    model.disclosure === null ? section.limits : [...section.limits, `${model.name}: ${model.disclosure}.`];
  return `<section id="${id}">
<h2>${escapeHtml(name)}</h2>
<p class="lead">${escapeHtml(section.lead)}</p>
<p class="command"><code>${escapeHtml(command)}</code></p>
${bulletList("note", section.notes)}
${bulletList("verdicts", section.verdicts)}
${figures.join("\n")}
${section.tables.map((table) => renderHtmlTable(table, `${table.caption}.${disclosure}`)).join("\n")}
<h3>What cannot be concluded</h3>
${bulletList("limits", limits)}
<details><summary>How the figures are defined</summary>
${list(section.definitions.map(({ term, meaning }) => [term, meaning]))}
</details>
<details><summary>Settings, model and machine</summary>
${list([["command", command], ...section.settings, ...describeSurroundings(results)])}
</details>
</section>`;
}

function bulletList(kind: string, sentences: readonly string[]): string {
  if (sentences.length === 0) return "";
  const items = sentences.map((sentence) => `<li>${escapeHtml(sentence)}</li>`);
  return `<ul class="${kind}">\n${items.join("\n")}\n</ul>`;
}

async function renderFigure(
  chart: Chart,
  { id, command, disclosure }: { readonly id: string; readonly command: string; readonly disclosure: string },
): Promise<string> {
  const wide = await renderSvgChart(chart, { width: 900, height: 440, kind: "wide", id: `${id}-wide` });
  if (wide === "") return "";
  const narrow = await renderSvgChart(chart, { width: 340, height: 400, kind: "narrow", id: `${id}-narrow` });
  return (
    `<figure>${wide}${narrow}<figcaption>${escapeHtml(`${chart.caption}${disclosure}`)} ` +
    `<code>${escapeHtml(command)}</code></figcaption>\n` +
    `<details><summary>The numbers</summary>\n${renderHtmlTable(chartTable(chart), chart.title)}\n</details></figure>`
  );
}

function renderHtmlTable({ cells = "figures", columns, rows }: TextTable, caption: string): string {
  const head = columns.map((column) => `<th scope="col">${escapeHtml(column)}</th>`).join("");
  const body = rows
    .map(([name = "", ...others]) => {
      const data = others.map(
        (cell, index) => `<td data-column="${escapeHtml(columns[index + 1] ?? "")}">${escapeHtml(cell)}</td>`,
      );
      return `<tr><th scope="row">${escapeHtml(name)}</th>${data.join("")}</tr>`;
    })
    .join("\n");
  return (
    `<div class="scroll" role="region" tabindex="0" aria-label="${escapeHtml(caption)}">` +
    `<table class="${cells}">\n<caption><span>${escapeHtml(caption)}</span></caption>\n<thead><tr>${head}</tr></thead>\n<tbody>\n${body}\n</tbody>\n</table></div>`
  );
}

function list(entries: readonly (readonly [string, string])[]): string {
  const items = entries.map(
    ([term, meaning]) => `<dt>${escapeHtml(term)}</dt><dd>${escapeHtml(meaning)}</dd>`,
  );
  return `<dl>\n${items.join("\n")}\n</dl>`;
}
