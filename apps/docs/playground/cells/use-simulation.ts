import { onScopeDispose, shallowRef, watchEffect, type ShallowRef } from "vue";

import { simulate, type Simulation, type SimulationOptions } from "./simulate.js";

/**
 * The simulation of what `options` answers, again whenever that changes; the one before stays until the new one is there. Without
 * options there is none.
 */
export function useSimulation(
  options: () => SimulationOptions | undefined,
): Readonly<ShallowRef<Simulation | undefined>> {
  const simulation = shallowRef<Simulation>();
  let latest = new AbortController();

  async function run(given: SimulationOptions, { signal }: AbortController): Promise<void> {
    try {
      simulation.value = await simulate({ ...given, signal });
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  watchEffect(() => {
    latest.abort();
    latest = new AbortController();
    const given = options();
    if (given) void run(given, latest);
    else simulation.value = undefined;
  });
  onScopeDispose(() => {
    latest.abort();
  });
  return simulation;
}
