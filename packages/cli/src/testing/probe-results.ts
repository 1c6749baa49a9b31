import type { ExperimentResults } from "@kvpolicy/bench";

type ProbeResults = Extract<ExperimentResults, { experiment: "probe" }>;

/** Results of a probe that read nothing: as small as results can be. */
export function probe(changes: Partial<ProbeResults> = {}): ProbeResults {
  const perplexity = { value: null, tokens: 0 };
  return {
    command: "kvpolicy probe",
    versions: { kvpolicy: "0.0.0", nodeLlamaCpp: "3.0.0", node: "20.19.0" },
    machine: { platform: "", architecture: "", processor: "", cores: 1, memoryBytes: 1, device: "cpu" },
    model: { name: "model.gguf", sha256: "a".repeat(64), bytes: 1, trainedLength: null, disclosure: null },
    engine: { keyType: "F16", valueType: "F16", threads: null },
    experiment: "probe",
    partial: false,
    milliseconds: 1,
    settings: { budget: 16, sinks: [0, 4], seed: 1 },
    comparison: {
      partial: false,
      milliseconds: 1,
      text: { name: "A book", sha256: "b".repeat(64), tokens: 10 },
      settings: { budget: 16, meanCells: null, seed: 1, slice: 64, seriesWindow: 32 },
      compared: null,
      residentBytes: null,
      policies: [
        {
          name: "0 sinks",
          description: { name: "sink-window", shape: "opaque", options: {} },
          status: "complete",
          error: null,
          warnings: [],
          tokens: 10,
          budget: 16,
          perplexity: { full: perplexity, afterFill: perplexity, all: perplexity, interval: null },
          ratio: null,
          tokensPerSecond: null,
          stride: null,
          millisecondsPerToken: null,
          costRatio: null,
          evictions: 0,
          evictedTokens: 0,
          recomputedTokens: 0,
          peakCells: 0,
          meanCells: null,
          contextBytes: null,
          series: [],
        },
      ],
    },
    need: { need: "unknown", withoutSinks: null, againstMost: [], most: 4, enough: null },
    ...changes,
  };
}
