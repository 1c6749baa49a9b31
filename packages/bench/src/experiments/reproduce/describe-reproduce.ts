import { formatDuration } from "../../report/numbers.js";
import type { ReportSection } from "../../report/report-section.js";
import type { ReproduceResults } from "./reproduce-results.js";

const VERDICTS = ["reproduced", "not reproduced", "not comparable"] as const;
const SYMBOLS = { reproduced: "✔", "not reproduced": "✘", "not comparable": "–" } as const;

/** What the report says of a reproduction: the paper's rows beside ours. */
export function describeReproduce({
  rows,
  targets,
  parts,
  settings,
  milliseconds,
  partial,
  model,
}: ReproduceResults): ReportSection {
  const counts = VERDICTS.map(
    (verdict) => `${rows.filter((row) => row.verdict === verdict).length} ${verdict}`,
  );
  return {
    title: "The paper, row by row",
    lead: `Xiao et al., Efficient Streaming Language Models with Attention Sinks, ICLR 2024, beside what ${model.name} does here; ${formatDuration(milliseconds)} of ${settings.minutes} min.`,
    verdicts: [`${counts.join(", ")}.`],
    notes: [
      ...(partial
        ? ["Partial: the run was stopped, and what had not been measured by then is missing."]
        : []),
      ...parts.flatMap(({ experiment, status, reason }) =>
        reason === null ? [] : [`${experiment}, ${status}: ${reason}`],
      ),
    ],
    charts: [],
    tables: [
      {
        caption: "What the paper says, and what was found",
        cells: "sentences",
        columns: ["claim", "verdict", "paper", "here", "why"],
        rows: rows.map(({ source, claim, paper, ours, verdict, why }) => [
          `${claim} (${source})`,
          `${SYMBOLS[verdict]} ${verdict}`,
          paper,
          ours,
          why,
        ]),
      },
      {
        caption: "What this project wants to be true",
        columns: ["what", "target", "here", "verdict"],
        cells: "sentences",
        rows: targets.map(({ what, target, ours, verdict }) => [what, target, ours, verdict]),
      },
      {
        caption: "What was run",
        columns: ["experiment", "status", "took"],
        rows: parts.map(({ experiment, status, milliseconds: time }) => [
          experiment,
          status,
          formatDuration(time),
        ]),
      },
    ],
    definitions: rows.map(({ claim, rule }) => ({
      term: claim.replace(/\.$/, ""),
      meaning: rule.startsWith("not ") ? `${rule}.` : `reproduced when ${rule}.`,
    })),
    limits: [
      "Reproduced means that the direction of the paper's result shows on this model by the rule of its row, which stands under “How the figures are defined”. It does not mean the same size: the models, the machine and the engine are others.",
      "Not comparable means that this model, this text or this time cannot show it, or that it was not run. It says nothing against the paper.",
      "One model is one model.",
    ],
    settings: [
      ["budget", `${settings.budget} cells`],
      ["stride", String(settings.stride)],
      ["seed", String(settings.seed)],
    ],
  };
}
