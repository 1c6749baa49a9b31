import type { ReportSection } from "../report/report-section.js";
import type { ExperimentResults } from "../results/results-file.js";
import { describeBudgets } from "./budgets/describe-budgets.js";
import { describeChatEval } from "./chat-eval/describe-chat-eval.js";
import { describeLatency } from "./latency/describe-latency.js";
import { describePerplexity } from "./perplexity/describe-perplexity.js";
import { describeProbe, describeSinks } from "./sinks/describe-sinks.js";
import { describeReproduce } from "./reproduce/describe-reproduce.js";
import { describeSoak } from "./soak/describe-soak.js";
import { describeStreamEval } from "./stream-eval/describe-stream-eval.js";
import { describeStream } from "./stream/describe-stream.js";

/** What the report says of an experiment. */
export function describeExperiment(results: ExperimentResults): ReportSection {
  switch (results.experiment) {
    case "stream":
      return describeStream(results);
    case "perplexity":
      return describePerplexity(results);
    case "probe":
      return describeProbe(results);
    case "sinks":
      return describeSinks(results);
    case "budgets":
      return describeBudgets(results);
    case "latency":
      return describeLatency(results);
    case "stream-eval":
      return describeStreamEval(results);
    case "chat-eval":
      return describeChatEval(results);
    case "soak":
      return describeSoak(results);
    case "reproduce":
      return describeReproduce(results);
  }
}
