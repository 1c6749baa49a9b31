import type { ExperimentCommand } from "./experiment-command.js";
import { budgetsCommand } from "./experiments/budgets.js";
import { chatEvalCommand } from "./experiments/chat-eval.js";
import { latencyCommand } from "./experiments/latency.js";
import { perplexityCommand } from "./experiments/perplexity.js";
import { reproduceCommand } from "./experiments/reproduce.js";
import { probeCommand, sinksCommand } from "./experiments/sinks.js";
import { soakCommand } from "./experiments/soak.js";
import { streamEvalCommand } from "./experiments/stream-eval.js";

/** The sub-commands that run one experiment each, in the order of the help. */
export const EXPERIMENT_COMMANDS: readonly ExperimentCommand[] = [
  perplexityCommand,
  probeCommand,
  sinksCommand,
  budgetsCommand,
  latencyCommand,
  streamEvalCommand,
  chatEvalCommand,
  soakCommand,
  reproduceCommand,
];
