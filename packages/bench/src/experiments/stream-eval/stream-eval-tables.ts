import { formatCount, formatInterval, formatNumber, NOTHING } from "../../report/numbers.js";
import type { TextTable } from "../../report/report-section.js";
import type { StreamEvalResults } from "./stream-eval-results.js";
import { describeAccuracy, describeMargin, formatMargin, formatShare } from "./stream-eval-words.js";

/** Each policy by where the value is. */
export function placeTable({ policies }: StreamEvalResults): TextTable {
  return {
    caption: "By where the value is when it is asked for",
    columns: [
      "policy, value",
      "queries",
      "accuracy, 95 % interval",
      "tokens right",
      "NLL (nats)",
      "margin (nats), 95 % interval",
    ],
    rows: policies.flatMap(({ name, ...groups }) =>
      (["inside", "partial", "outside"] as const).flatMap((place) => {
        const group = groups[place];
        if (group.queries === 0) return [];
        return [
          [
            `${name}, ${place}`,
            formatCount(group.queries),
            describeAccuracy(group),
            formatShare(group.tokensRight),
            formatNumber(group.nll),
            describeMargin(group.margin),
          ],
        ];
      }),
    ),
  };
}

/** Each distance by policy, as the paper's table 7. */
export function distanceTable(results: StreamEvalResults): TextTable {
  const { policies, settings } = results;
  return {
    caption: `By distance, at a budget of ${formatCount(settings.budget)} cells`,
    columns: [
      "lines",
      "tokens",
      ...policies.flatMap(({ name }) => [`${name}: inside`, `${name}: accuracy`, `${name}: margin (nats)`]),
    ],
    rows: settings.distances.map((distance) => {
      const cells = policies.map(({ distances }) => distances.find((row) => row.distance === distance));
      return [
        formatCount(distance),
        formatNumber(cells.find((cell) => cell !== undefined)?.tokens, 4),
        ...cells.flatMap((cell) =>
          cell
            ? [`${cell.inside} of ${cell.queries}`, describeAccuracy(cell), describeMargin(cell.margin)]
            : [NOTHING, NOTHING, NOTHING],
        ),
      ];
    }),
  };
}

/** The end of the stream against its beginning. */
export function flatnessTable({ policies }: StreamEvalResults): TextTable {
  return {
    caption: "Margin inside the cache, the last quarter of the stream against the first",
    columns: [
      "policy",
      "first quarter (nats)",
      "last quarter (nats)",
      "difference (nats)",
      "95 % interval",
      "verdict",
    ],
    rows: policies.flatMap(({ name, flatness }) =>
      flatness
        ? [
            [
              name,
              describeMargin(flatness.first),
              describeMargin(flatness.last),
              formatMargin(flatness.last.mean - flatness.first.mean),
              formatInterval(flatness.difference),
              flatness.verdict,
            ],
          ]
        : [],
    ),
  };
}
