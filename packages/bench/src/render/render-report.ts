import type { Results } from "../results/schema.js";
import { escapeHtml } from "./html.js";
import { definitions, limits, processLine, runNotes } from "./notes.js";
import { formatCount, formatMebibytes } from "./numbers.js";
import { renderReportChart } from "./report-chart.js";
import { REPORT_STYLE } from "./report-style.js";
import { costTable, qualityTable, type TextTable } from "./tables.js";

/** The results as one HTML page that needs nothing else: no script, no network, no other file. */
export async function renderReport(results: Results): Promise<string> {
  const { model, text, settings } = results;
  const title = `KV-cache policies on ${model.name}`;
  const wide = await renderReportChart(results, { width: 900, height: 440, id: "wide" });
  const narrow = await renderReportChart(results, { width: 340, height: 400, id: "narrow" });
  const disclosure = model.disclosure === null ? "" : ` Of this model: ${model.disclosure}.`;
  const figure =
    wide === ""
      ? ""
      : `<figure>${wide}${narrow}<figcaption>${escapeHtml(
          `Perplexity of the last ${formatCount(settings.seriesWindow)} tokens over the stream position, on a logarithmic scale. ` +
            `${model.name} reads ${text.name}.${disclosure}`,
        )}</figcaption></figure>`;
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
<p class="lead">${escapeHtml(
    `${formatCount(text.tokens)} tokens of ${text.name}, a budget of ${formatCount(settings.budget)} cells, ` +
      `${processLine(results)}.`,
  )}</p>
${runNotes(results)
  .map((note) => `<p class="note">${escapeHtml(note)}</p>`)
  .join("\n")}
${figure}
${section("Quality", renderHtmlTable(qualityTable(results), disclosure))}
${section("Cost", renderHtmlTable(costTable(results), disclosure))}
${section(
  "What cannot be concluded",
  limits(results)
    .map((limit) => `<p>${escapeHtml(limit)}</p>`)
    .join("\n"),
)}
${section("How the figures are defined", list(definitions(results).map(({ term, meaning }) => [term, meaning])))}
${section("Settings", list(settingsOf(results)))}
</main>
</body>
</html>
`;
}

function section(title: string, content: string): string {
  return `<section>\n<h2>${escapeHtml(title)}</h2>\n${content}\n</section>`;
}

function renderHtmlTable({ caption, columns, rows }: TextTable, disclosure: string): string {
  const head = columns.map((column) => `<th scope="col">${escapeHtml(column)}</th>`).join("");
  const body = rows
    .map(([name = "", ...cells]) => {
      const data = cells.map((cell) => `<td>${escapeHtml(cell)}</td>`).join("");
      return `<tr><th scope="row">${escapeHtml(name)}</th>${data}</tr>`;
    })
    .join("\n");
  return (
    `<div class="scroll" role="region" tabindex="0" aria-label="${escapeHtml(caption)}">` +
    `<table>\n<caption><span>${escapeHtml(`${caption}.${disclosure}`)}</span></caption>\n<thead><tr>${head}</tr></thead>\n<tbody>\n${body}\n</tbody>\n</table></div>`
  );
}

function list(entries: readonly (readonly [string, string])[]): string {
  const items = entries.map(
    ([term, meaning]) => `<dt>${escapeHtml(term)}</dt><dd>${escapeHtml(meaning)}</dd>`,
  );
  return `<dl>\n${items.join("\n")}\n</dl>`;
}

function settingsOf(results: Results): [string, string][] {
  const { model, text, settings, machine, versions } = results;
  return [
    ["command", results.command],
    [
      "model",
      `${model.name}, ${formatMebibytes(model.bytes)} MiB, trained on ${model.trainedLength ?? "an unknown number of"} positions, sha256 ${model.sha256}`,
    ],
    ["text", `${text.name}, ${formatCount(text.tokens)} tokens, sha256 ${text.sha256}`],
    ["budget", `${formatCount(settings.budget)} cells`],
    ["cached keys and values", `${settings.keyType}, ${settings.valueType}`],
    ["threads", settings.threads === null ? "the engine's choice" : String(settings.threads)],
    ["turns", `${settings.slice} tokens for each policy, then the next`],
    ["seed of the intervals", String(settings.seed)],
    [
      "machine",
      `${machine.processor}, ${machine.cores} cores, ${formatMebibytes(machine.memoryBytes)} MiB, ${machine.platform} ${machine.architecture}, computing on ${machine.device}`,
    ],
    [
      "versions",
      `kvpolicy ${versions.kvpolicy}, node-llama-cpp ${versions.nodeLlamaCpp}, Node ${versions.node}`,
    ],
    ...results.policies.map(({ name, description }): [string, string] => [
      `policy ${name}`,
      JSON.stringify(description),
    ]),
  ];
}
