/*
 * Preloaded where an example runs in a test. llama.cpp's threads wait for each other in a busy loop: on a machine that does something
 * else as well, two of them take many times as long as one for the model in the box.
 */
import process from "node:process";

// node-llama-cpp tries its binary in a process of its own, which inherits this and must load things in its own order.
if (process.env.TEST_BINDING_CP === undefined) {
  const { Llama } = await import("node-llama-cpp");
  Object.defineProperty(Llama.prototype, "cpuMathCores", { get: () => 1 });
}
