import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { argv } from "node:process";
import { fileURLToPath } from "node:url";

import { formatCount, parseResults, type Comparison } from "@kvpolicy/bench";

/*
 * The picture of the README: how well a model predicts a text under the paper's four policies, from what `kvpolicy reproduce`
 * measured. Run, it writes the picture: `npm run picture`.
 */

const RESULTS = "benchmarks/results/reproduce-SmolLM2-135M-Instruct.Q4_1/results.json";

/** Where the picture lies. */
export const FOUR_CURVES = "assets/four-curves.svg";

/** What is drawn. */
export interface FourCurves {
  /** Name of the model. */
  readonly model: string;
  /** Tokens that the model was trained on, at most. */
  readonly trainedLength: number | null;
  /** The four policies on one text. */
  readonly comparison: Comparison;
}

/** Names in the order of drawing: the last lies on top. */
const POLICIES = ["dense", "window", "recompute", "sink-window"] as const;
type PolicyName = (typeof POLICIES)[number];

interface Point {
  readonly x: number;
  readonly y: number;
}

interface Curve {
  readonly name: PolicyName;
  /** Stream positions and perplexities. */
  readonly points: readonly Point[];
  /** Tokens that a point is over. */
  readonly window: number;
  /** What it takes, in words. */
  readonly cost: string;
  /** Perplexity over the tokens behind a full cache. */
  readonly perplexity: number;
}

/** In units of the picture: it is scaled to the page. Text is large because a phone halves it. */
const SIZE = { width: 720, height: 450 };
const PLOT = { left: 62, right: 544, top: 116, bottom: 392 };
/** Points of the running perplexity that one of a curve is the mean of. */
const SMOOTHED = 9;
/** Least distance of two names beside the curves. */
const NAME_HEIGHT = 46;
const GRID = [20, 50, 100, 200, 500, 1000, 2000];

/** Draws the picture. */
export function drawFourCurves({ model, trainedLength, comparison }: FourCurves): string {
  const { settings, text } = comparison;
  const curves = POLICIES.map((name) => readCurve(comparison, name));
  const scales = scalesOf(curves, text.tokens);
  const title = escapeText(`${model.replace(/\.(\w+)\.gguf$/, " ($1)")} reads ${text.name}`);
  const note = `perplexity of the last ${formatCount(curves[0]!.window)} tokens, lower is better`;
  const rules = [{ at: settings.budget, label: `cache full: ${formatCount(settings.budget)}` }];
  if (trainedLength !== null && trainedLength < text.tokens)
    rules.push({ at: trainedLength, label: `trained length: ${formatCount(trainedLength)}` });
  const { width, height } = SIZE;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-labelledby="title description">`,
    `<title id="title">${title} under four policies</title>`,
    `<desc id="description">${escapeText(describeFourCurves(comparison))}</desc>`,
    STYLE,
    `<rect class="card" x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="10"/>`,
    `<text class="title" x="24" y="40">${title}</text>`,
    `<text class="note" x="24" y="68">${note}</text>`,
    ...drawGrid(scales),
    ...drawTicks(scales, text.tokens),
    ...rules.flatMap((rule) => drawRule(scales, rule)),
    ...curves.map((curve) => drawCurve(curve, scales)),
    ...drawNames(curves, scales),
    "</svg>",
    "",
  ].join("\n");
}

/** The figures of the picture in words. */
export function describeFourCurves(comparison: Comparison): string {
  const { compared, settings, text } = comparison;
  const figures = POLICIES.map((name) => readCurve(comparison, name)).map(
    ({ name, perplexity, cost }) => `${name} ${perplexity.toPrecision(3)} (${cost})`,
  );
  const from = compared?.start ?? settings.budget;
  return `Perplexity of ${text.name} over the ${formatCount(text.tokens - from)} tokens behind a full cache of ${formatCount(from)} cells: ${figures.join(", ")}.`;
}

const STYLE = `<style>
svg { --ink: #1f2328; --muted: #59636e; --line: #d1d9e0; --card: #ffffff;
  --dense: #9a6700; --window: #c4432b; --recompute: #9b4fb0; --sink-window: #0b6bb3; }
@media (prefers-color-scheme: dark) {
  svg { --ink: #f0f6fc; --muted: #9ea7b1; --line: #3d444d; --card: #0d1117;
    --dense: #e3a93c; --window: #ff8f73; --recompute: #d39be3; --sink-window: #58b6f5; }
}
text { font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; fill: var(--ink); }
.card { fill: var(--card); stroke: var(--line); }
.title { font-size: 23px; font-weight: 600; }
.note, .tick { font-size: 17px; fill: var(--muted); }
.name { font-size: 19px; font-weight: 600; }
.cost { font-size: 16px; fill: var(--muted); }
.grid { stroke: var(--line); stroke-width: 1; opacity: 0.6; }
.rule { stroke: var(--muted); stroke-width: 1.5; stroke-dasharray: 4 4; }
.leader { fill: none; stroke-width: 1.5; opacity: 0.55; }
.curve { fill: none; stroke-width: 2.5; stroke-linejoin: round; stroke-linecap: round; }
.recompute.curve { stroke-width: 7; opacity: 0.45; }
.dense { stroke: var(--dense); } .window { stroke: var(--window); }
.recompute { stroke: var(--recompute); } .sink-window { stroke: var(--sink-window); }
text.dense { stroke: none; fill: var(--dense); } text.window { stroke: none; fill: var(--window); }
text.recompute { stroke: none; fill: var(--recompute); } text.sink-window { stroke: none; fill: var(--sink-window); }
.end { text-anchor: end; } .middle { text-anchor: middle; }
@media (max-width: 480px) {
  .title { font-size: 24px; } .note, .tick { font-size: 21px; } .name { font-size: 22px; } .cost { font-size: 20px; }
}
</style>`;

function readCurve({ policies, settings, text }: Comparison, name: PolicyName): Curve {
  const policy = policies.find((one) => one.name === name);
  if (policy?.status !== "complete") throw new Error(`The results hold no complete reading under ${name}.`);
  const { series, budget, description, perplexity } = policy;
  if (perplexity.full.value === null) throw new Error(`The results know no perplexity of ${name}.`);
  const evaluations = description.evaluationsPerToken ?? 1;
  const cells = name === "dense" ? text.tokens : (budget ?? settings.budget);
  const step = series[1]!.position - series[0]!.position;
  return {
    name,
    points: smooth(series.map(({ position, perplexity }) => ({ x: position, y: perplexity }))),
    window: settings.seriesWindow + (SMOOTHED - 1) * step,
    cost: evaluations > 1 ? `${formatCount(evaluations)} × the work` : `${formatCount(cells)} cells`,
    perplexity: perplexity.full.value,
  };
}

/** The geometric mean of each point and those before it: the perplexity of a longer stretch. */
function smooth(points: readonly Point[]): Point[] {
  return points.map(({ x }, index) => {
    const stretch = points.slice(Math.max(0, index + 1 - SMOOTHED), index + 1);
    const mean = stretch.reduce((sum, { y }) => sum + Math.log(y), 0) / stretch.length;
    return { x, y: Math.exp(mean) };
  });
}

interface Scales {
  readonly x: (position: number) => number;
  readonly y: (perplexity: number) => number;
  /** Least and greatest perplexity. */
  readonly range: readonly [number, number];
}

/** Positions along a line, perplexities along their logarithm. */
function scalesOf(curves: readonly Curve[], tokens: number): Scales {
  const values = curves.flatMap(({ points }) => points.map(({ y }) => y));
  const range = [Math.min(...values) / 1.1, Math.max(...values) * 1.1] as const;
  const [low, high] = range.map(Math.log) as [number, number];
  return {
    x: (position) => PLOT.left + (position / tokens) * (PLOT.right - PLOT.left),
    y: (perplexity) => PLOT.bottom - ((Math.log(perplexity) - low) / (high - low)) * (PLOT.bottom - PLOT.top),
    range,
  };
}

function drawGrid({ y, range: [low, high] }: Scales): string[] {
  return GRID.filter((value) => value >= low && value <= high).flatMap((value) => {
    const at = round(y(value));
    return [
      `<line class="grid" x1="${PLOT.left}" x2="${PLOT.right}" y1="${at}" y2="${at}"/>`,
      `<text class="tick end" x="${PLOT.left - 10}" y="${round(at + 6)}">${formatCount(value)}</text>`,
    ];
  });
}

function drawTicks({ x }: Scales, tokens: number): string[] {
  const step = tokens > 8000 ? 4000 : 2000;
  const ticks = Array.from({ length: Math.floor(tokens / step) + 1 }, (_, index) => index * step);
  return [
    ...ticks.map(
      (tick) =>
        `<text class="tick middle" x="${round(x(tick))}" y="${PLOT.bottom + 26}">${formatCount(tick)}</text>`,
    ),
    `<text class="tick" x="${PLOT.right + 12}" y="${PLOT.bottom + 26}">tokens read</text>`,
  ];
}

function drawRule({ x }: Scales, { at, label }: { readonly at: number; readonly label: string }): string[] {
  const place = round(x(at));
  const isFarRight = place > (PLOT.left + 3 * PLOT.right) / 4;
  return [
    `<line class="rule" x1="${place}" x2="${place}" y1="${PLOT.top - 10}" y2="${PLOT.bottom}"/>`,
    `<text class="note${isFarRight ? " end" : ""}" x="${place}" y="${PLOT.top - 18}">${label}</text>`,
  ];
}

function drawCurve({ name, points }: Curve, { x, y }: Scales): string {
  const path = points.map((point) => `${round(x(point.x))} ${round(y(point.y))}`).join("L");
  return `<path class="curve ${name}" d="M${path}"/>`;
}

/** Names beside the ends of the curves, moved apart where they would lie on each other. */
function drawNames(curves: readonly Curve[], { y }: Scales): string[] {
  const ends = curves
    .map(({ points, ...curve }) => ({ ...curve, end: y(points.at(-1)!.y) }))
    .toSorted((one, other) => one.end - other.end);
  const places = spread(ends.map(({ end }) => end));
  return ends.flatMap(({ name, cost, end }, index) => {
    const place = places[index]!;
    return [
      `<path class="leader ${name}" d="M${PLOT.right + 2} ${round(end)}L${PLOT.right + 14} ${round(place)}"/>`,
      `<text class="name ${name}" x="${PLOT.right + 18}" y="${round(place + 2)}">${name}</text>`,
      `<text class="cost" x="${PLOT.right + 18}" y="${round(place + 21)}">${cost}</text>`,
    ];
  });
}

/** Places in order, at least a name's height apart and within the plot, as near to those that are wanted as that leaves. */
function spread(wanted: readonly number[]): number[] {
  const places = [...wanted];
  for (let index = 1; index < places.length; index++)
    places[index] = Math.max(places[index]!, places[index - 1]! + NAME_HEIGHT);
  places[places.length - 1] = Math.min(places.at(-1)!, PLOT.bottom - 20);
  for (let index = places.length - 2; index >= 0; index--)
    places[index] = Math.min(places[index]!, places[index + 1]! - NAME_HEIGHT);
  return places;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function escapeText(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}

/** Reads what is drawn. */
export function readFourCurves(): FourCurves {
  const { experiments } = parseResults(JSON.parse(readFileSync(RESULTS, "utf8")) as unknown);
  for (const results of experiments) {
    const [comparison] = results.experiment === "perplexity" ? results.comparisons : [];
    const { name, trainedLength } = results.model;
    if (comparison) return { model: name, trainedLength, comparison };
  }
  throw new Error(`${RESULTS} holds no results of kvpolicy perplexity.`);
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  mkdirSync(dirname(FOUR_CURVES), { recursive: true });
  writeFileSync(FOUR_CURVES, drawFourCurves(readFourCurves()));
}
