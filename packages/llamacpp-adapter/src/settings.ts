import type { GgufMetadata } from "node-llama-cpp";

/** Reads settings of the model's own architecture by path, `rope.scaling.type` say. */
export function readSettings(metadata: GgufMetadata): (path: string) => unknown {
  const root = (metadata as unknown as Record<string, unknown>)[metadata.general.architecture];
  return (path) =>
    path
      .split(".")
      .reduce<unknown>(
        (node, key) =>
          typeof node === "object" && node !== null ? (node as Record<string, unknown>)[key] : undefined,
        root,
      );
}
