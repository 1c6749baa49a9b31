/**
 * The intervals of the bench against a known answer: how often one of 95 % covers the true mean. No model takes part.
 *
 * - `series`: `movingBlockBootstrap` on autoregressions of order one, 1,000 draws of each.
 * - `twoRuns`: the same on the paired differences of two independent runs of one kind, as between two policies that are equally good: how
 *   often nothing is found. `itself` is a run compared with itself.
 * - `clusters`: `clusterInterval` on texts of one length and of lengths from 1 to 4, whose means differ.
 *
 * The share that covers has an interval of its own (Wilson, 95 %), as draws are finitely many.
 */
import { clusterInterval, type Cluster } from "../packages/bench/src/statistics/cluster-interval.js";
import { movingBlockBootstrap, type MeanInterval } from "../packages/bench/src/statistics/bootstrap.js";
import { mean } from "../packages/bench/src/statistics/perplexity.js";
import { quantiles } from "../packages/bench/src/statistics/quantiles.js";
import { createRandom } from "../packages/bench/src/statistics/random.js";
import { wilsonInterval } from "../packages/bench/src/statistics/wilson-interval.js";
import { autoregression, createNormal } from "../packages/bench/src/testing/autoregression.js";
import { round, writeFigures } from "./shared.js";

const SEED = 1;
const DRAWS = 1000;
const LENGTH = 16_384;
/** Correlations of neighbours. */
const MEMORIES = [0, 0.5, 0.9];
const CLUSTER_COUNTS = [2, 3, 5, 10, 20];
const CLUSTER_DRAWS = 10_000;

/** How often intervals cover 0, the true mean, and how wide they are. Those that are null are counted apart. */
function judge(intervals: readonly MeanInterval["interval"][]): object {
  const given = intervals.filter((interval) => interval !== null);
  const covering = given.filter(({ lower, upper }) => lower <= 0 && upper >= 0).length;
  const { lower, upper } = wilsonInterval(covering, given.length);
  const halfWidths = Float64Array.from(given, (interval) => (interval.upper - interval.lower) / 2);
  return {
    draws: intervals.length,
    withoutInterval: intervals.length - given.length,
    coverage: { value: covering / given.length, lower: round(lower), upper: round(upper) },
    meanHalfWidth: round(mean(halfWidths)),
  };
}

/** Judges the bootstrap on series of which the standard error of the mean is known. */
function judgeSeries(draw: (index: number) => Float64Array, standardError: number): object {
  const answers = Array.from({ length: DRAWS }, (_, index) =>
    movingBlockBootstrap(draw(index), { seed: SEED + index }),
  );
  const [shortest, median, longest] = quantiles(
    answers.map(({ blockLength }) => blockLength),
    [0, 0.5, 1],
  );
  return {
    ...judge(answers.map(({ interval }) => interval)),
    // Of an interval that knows the standard error.
    idealHalfWidth: round(1.96 * standardError),
    blockLength: { shortest, median, longest },
  };
}

/** Seeds of series, no two of which are the same, nor one of the bootstrap's. */
function seriesSeed(memory: number, run: number, index: number): number {
  return SEED + DRAWS * (1 + 2 * MEMORIES.indexOf(memory) + run) + index;
}

const series = MEMORIES.map((memory) => {
  const draw = (run: number, index: number): Float64Array =>
    autoregression(LENGTH, memory, seriesSeed(memory, run, index));
  const standardError = 1 / (1 - memory) / Math.sqrt(LENGTH);
  const differences = (index: number): Float64Array => {
    const others = draw(1, index);
    return draw(0, index).map((value, at) => value - (others[at] ?? NaN));
  };
  return {
    memory,
    length: LENGTH,
    oneRun: judgeSeries((index) => draw(0, index), standardError),
    twoRuns: judgeSeries(differences, Math.SQRT2 * standardError),
  };
});

const itself = movingBlockBootstrap(new Float64Array(LENGTH), { seed: SEED });

const random = createRandom(SEED);
const normal = createNormal(SEED + 1);
function drawCluster(longest: number): Cluster {
  const count = 1000 * (1 + (longest - 1) * random());
  return { count: Math.round(count), sum: count * normal() };
}

const clusters = CLUSTER_COUNTS.flatMap((count) =>
  [1, 4].map((longest) => ({
    clusters: count,
    lengths: longest === 1 ? "equal" : `1 to ${longest}`,
    ...judge(
      Array.from(
        { length: CLUSTER_DRAWS },
        () => clusterInterval(Array.from({ length: count }, () => drawCluster(longest))).interval,
      ),
    ),
  })),
);

await writeFigures("coverage", ["coverage.ts"], {
  seed: SEED,
  confidence: 0.95,
  series,
  itself: {
    ratio: Math.exp(itself.mean),
    lower: Math.exp(itself.interval?.lower ?? NaN),
    upper: Math.exp(itself.interval?.upper ?? NaN),
  },
  clusters,
});
