import {
  formatCount,
  formatInterval,
  formatMebibytes,
  formatNumber,
  formatTimes,
  NOTHING,
} from "../../report/numbers.js";
import type { Chart, Definition, ReportSection, TextTable } from "../../report/report-section.js";
import type { Estimate } from "../../statistics/ratio-of-means.js";
import type { ChatEvalContender, ChatEvalPhase, ChatEvalResults, ChatEvalTurn } from "./chat-eval-results.js";

/** Puts the results of a chat evaluation into words, charts and tables. */
export function describeChatEval(results: ChatEvalResults): ReportSection {
  const { contenders, settings } = results;
  const { questions, budget, turns, maxTokens, systemPrompt, seed } = settings;
  return {
    title: "A conversation that outgrows its cache",
    lead:
      `${formatCount(turns)} questions (${questions.name}) one after the other in one conversation, answers of at most ` +
      `${formatCount(maxTokens)} tokens, ${formatCount(budget)} cells: ` +
      `${contenders.map(({ name, description }) => `${name} is ${description}`).join("; ")}.`,
    verdicts: [...contenders.flatMap(judge), ...contenders.flatMap(judgeCuts)],
    notes: [...contenders.flatMap((contender) => note(contender, results)), ...noteAnswers(results)],
    charts: [chartFirstTokens(contenders), chartEvaluated(contenders)],
    tables: [tabulateTimes(contenders), tabulateTokens(contenders), ...tabulateRatios(contenders)],
    definitions: DEFINITIONS,
    limits: describeLimits(results),
    settings: [
      ["questions", `${questions.name}, ${formatCount(questions.count)}, SHA-256 ${questions.sha256}`],
      ["turns", formatCount(turns)],
      ["budget", `${formatCount(budget)} cells`],
      ["longest answer", `${formatCount(maxTokens)} tokens`],
      ["system prompt", systemPrompt ?? "none"],
      ["seed of the intervals", String(seed)],
    ],
  };
}

/** What a contender took over what the first one took. */
function judge({ name, ratio, turns }: ChatEvalContender): string[] {
  if (!ratio) return [];
  const { reference, full } = ratio;
  if (!full) {
    if (turns.length === 0) return [];
    return [
      `Nothing can be said of a full cache: there is no turn in which both ${name} and ${reference} had let something leave.`,
    ];
  }
  const over = `over ${formatCount(full.turns)} turns once the cache is full`;
  return [
    [`the time to first token of ${name}`, full.firstTokenMilliseconds] as const,
    [`the longest wait for text in a turn of ${name}`, full.longestWaitMilliseconds] as const,
    [`the time that ${name} takes for a whole turn`, full.milliseconds] as const,
    [`the number of tokens that ${name} evaluates in a turn`, full.evaluatedTokens] as const,
  ].flatMap(([subject, figure]) =>
    figure ? [compareInWords(subject, `that of ${reference}`, figure, over)] : [],
  );
}

function compareInWords(subject: string, other: string, { value, interval }: Estimate, over: string): string {
  if (!interval) {
    return upperFirst(
      `${subject} is ${formatNumber(value)} times ${other} ${over}, which are too few for an interval.`,
    );
  }
  const finding = `${subject} is ${formatNumber(value)} [${formatInterval(interval)}] times ${other} ${over}.`;
  const isDifferent = interval.lower > 1 || interval.upper < 1;
  return isDifferent ? upperFirst(finding) : `No difference is shown: ${finding}`;
}

function judgeCuts({ name, cutTurns, turns, evictions }: ChatEvalContender): string[] {
  if (cutTurns === null || evictions === 0) return [];
  if (cutTurns === 0) return [`With ${name} the model never saw a part of an exchange without the rest.`];
  return [
    `With ${name} the model saw a part of an exchange without the rest after ${formatCount(cutTurns)} of ${formatCount(turns.length)} turns.`,
  ];
}

function note(
  { name, error, warnings, cells, turns, repeatedAnswers }: ChatEvalContender,
  { settings }: ChatEvalResults,
): string[] {
  return [
    ...(error
      ? [
          `${name} ${error.turn === 0 ? "could not begin" : `stopped in turn ${error.turn}`} (${error.code}): ${error.message}`,
        ]
      : []),
    ...(cells !== null && cells !== settings.budget
      ? [`${name} may use ${formatCount(cells)} cells instead of ${formatCount(settings.budget)}.`]
      : []),
    ...(repeatedAnswers > 0
      ? [
          `${formatCount(repeatedAnswers)} of ${formatCount(turns.length)} answers of ${name} repeat an earlier one word for word.`,
        ]
      : []),
    ...warnings.map((warning) => `${name}: ${warning}`),
  ];
}

function noteAnswers({ partial, firstDifferentTurn, contenders, settings }: ChatEvalResults): string[] {
  return [
    ...(partial
      ? [
          `Stopped before its end: ${contenders
            .map(({ name, turns }) => `${name} had ${turns.length}`)
            .join(", ")} of ${settings.turns} turns.`,
        ]
      : []),
    ...(contenders.length < 2
      ? []
      : [
          firstDifferentTurn === null
            ? "All answers were the same in all conversations."
            : `The answers of the conversations are not the same from turn ${firstDifferentTurn} on.`,
        ]),
  ];
}

function chartFirstTokens(contenders: readonly ChatEvalContender[]): Chart {
  return chart(contenders, {
    title: "Time to first token",
    caption:
      "Milliseconds from the question to the first text of the answer, turn by turn. The scale is logarithmic.",
    y: { title: "time to first token (ms)", scale: "log" },
    figure: ({ firstTokenMilliseconds: time }) => (time !== null && time > 0 ? time : null),
  });
}

function chartEvaluated(contenders: readonly ChatEvalContender[]): Chart {
  return chart(contenders, {
    title: "Tokens evaluated in a turn",
    caption:
      "Tokens that the engine evaluated for a question and its answer, those that it had evaluated before included.",
    y: { title: "tokens evaluated", scale: "linear" },
    figure: ({ evaluatedTokens }) => evaluatedTokens,
  });
}

function chart(
  contenders: readonly ChatEvalContender[],
  {
    figure,
    ...rest
  }: Pick<Chart, "title" | "caption" | "y"> & { readonly figure: (turn: ChatEvalTurn) => number | null },
): Chart {
  return {
    ...rest,
    x: { title: "turn", scale: "linear" },
    series: contenders.map(({ name, turns }) => ({
      name,
      points: turns.flatMap((turn, index) => {
        const y = figure(turn);
        return y === null ? [] : [{ x: index + 1, y }];
      }),
    })),
    rules: contenders.flatMap(({ name, firstEvictionTurn: at }) =>
      at === null ? [] : [{ axis: "x" as const, at, label: `${name}: cache full` }],
    ),
  };
}

function tabulateTimes(contenders: readonly ChatEvalContender[]): TextTable {
  return {
    caption: "Times in milliseconds, over the turns before anything had left the cache and once it is full",
    columns: [
      "conversation",
      "turns",
      ...["time to first token", "95 % interval", "p50", "p95"],
      ...["longest wait", "95 % of the wait", "p95 of the wait"],
      ...["whole turn", "95 % of the turn"],
    ],
    rows: contenders.flatMap(({ name, before, full }) =>
      [[`${name}, before`, before] as const, [`${name}, cache full`, full] as const].flatMap(
        ([row, phase]) => (phase ? [[row, ...describeTimes(phase)]] : []),
      ),
    ),
  };
}

function describeTimes({
  turns,
  firstTokenMilliseconds: first,
  longestWaitMilliseconds: wait,
  milliseconds: whole,
}: ChatEvalPhase): string[] {
  return [
    formatCount(turns),
    formatNumber(first?.mean.value),
    formatInterval(first?.mean.interval ?? null),
    formatNumber(first?.p50),
    formatNumber(first?.p95),
    formatNumber(wait.mean.value),
    formatInterval(wait.mean.interval),
    formatNumber(wait.p95),
    formatNumber(whole.mean.value),
    formatInterval(whole.mean.interval),
  ];
}

function tabulateTokens(contenders: readonly ChatEvalContender[]): TextTable {
  return {
    caption: "Tokens of a turn once the cache is full, and what left the cache",
    columns: [
      "conversation",
      ...["turns", "full from turn", "added", "evaluated", "most", "evictions"],
      ...["turns with a cut exchange", "cells", "context (MiB)"],
    ],
    rows: contenders.map((contender) => {
      const { name, turns, firstEvictionTurn, full, evictions, cutTurns, cells, contextBytes } = contender;
      return [
        name,
        formatCount(turns.length),
        formatWhole(firstEvictionTurn),
        formatNumber(full?.addedTokens.mean),
        formatNumber(full?.evaluatedTokens.mean),
        formatWhole(full?.evaluatedTokens.max),
        formatCount(evictions),
        formatWhole(cutTurns),
        formatWhole(cells),
        formatMebibytes(contextBytes),
      ];
    }),
  };
}

function tabulateRatios(contenders: readonly ChatEvalContender[]): TextTable[] {
  const [first] = contenders;
  const rows = contenders.flatMap(({ name, ratio }) =>
    (["before", "full"] as const).flatMap((when) => {
      const ratios = ratio?.[when];
      if (!ratios) return [];
      return [
        [
          `${name}, ${when === "full" ? "cache full" : "before"}`,
          formatCount(ratios.turns),
          formatEstimate(ratios.firstTokenMilliseconds),
          formatEstimate(ratios.longestWaitMilliseconds),
          formatEstimate(ratios.milliseconds),
          formatEstimate(ratios.evaluatedTokens),
        ],
      ];
    }),
  );
  if (rows.length === 0) return [];
  return [
    {
      caption: `Times what ${first?.name ?? NOTHING} took on the same turns`,
      columns: [
        "conversation",
        "turns",
        "time to first token",
        "longest wait",
        "whole turn",
        "tokens evaluated",
      ],
      rows,
    },
  ];
}

function formatEstimate(estimate: Estimate | null): string {
  if (!estimate) return NOTHING;
  const value = formatTimes(estimate.value);
  return estimate.interval ? `${value} [${formatInterval(estimate.interval)}]` : value;
}

function formatWhole(value: number | null | undefined): string {
  return value === null || value === undefined ? NOTHING : formatCount(value);
}

function upperFirst(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

const DEFINITIONS: readonly Definition[] = [
  {
    term: "time to first token",
    meaning:
      "from the question to the first piece of the answer's text that is handed out; an answer without text has none.",
  },
  {
    term: "longest wait",
    meaning:
      "the longest time without a new piece of text, from the question to the end of its answer: the wait for the first piece, or a pause in the middle.",
  },
  { term: "whole turn", meaning: "from the question to the end of its answer." },
  {
    term: "added",
    meaning:
      "tokens of the message with what the template puts around it, and of the answer: what is new in a turn.",
  },
  {
    term: "evaluated",
    meaning:
      "tokens that the engine evaluated in a turn; more than were added where it evaluates tokens again that it had evaluated before.",
  },
  {
    term: "evictions",
    meaning:
      "how often something had to leave the cache: evictions of the policy, or context shifts of the session.",
  },
  {
    term: "before",
    meaning:
      "from the second turn to the last before anything left; the first is left out, because not every conversation reads the system prompt in it.",
  },
  {
    term: "cache full",
    meaning:
      "from the first turn in which something left; for ratios, in which something had left in both conversations.",
  },
  {
    term: "turns with a cut exchange",
    meaning: "turns after which the model saw a part of some exchange and not the rest of it.",
  },
  {
    term: "95 % interval",
    meaning:
      "moving-block bootstrap over turns: blocks as long as the automatic choice of Politis and White says and at least four turns, 2000 samples, widened for few blocks; none with fewer than four. Where turns hang together strongly it covers about nine times of ten instead.",
  },
  {
    term: "times",
    meaning:
      "ratio of the means over the same turns; its interval is of the turns' contributions to its logarithm, drawn in pairs.",
  },
];

function describeLimits({ model, machine, contenders }: ChatEvalResults): string[] {
  return [
    ...(contenders.length < 2
      ? []
      : [
          "Once something has left, the model does not see the same in all conversations: its answers may differ from there on, and later turns build on other answers of other lengths.",
        ]),
    "The quality of the answers is not judged. What left the cache is gone for the model, in every conversation.",
    `One model (${model.name}), one machine (${machine.processor}, ${machine.device}), one order of questions: the intervals cover chance within this conversation and nothing else.`,
  ];
}
