import { KVPolicyError } from "@kvpolicy/core";
import { loadModel, type ReferenceModel } from "@kvpolicy/reference-backend";

/**
 * Fetches a model's file as a whole: once it is here, nothing more is asked of the network.
 *
 * @throws {KVPolicyError} `config` when it cannot be fetched, or is no model.
 */
export async function fetchModel(url: string): Promise<ReferenceModel> {
  const response = await fetch(url).catch((cause: unknown) => {
    throw badModel(url, "The model could not be fetched: there is no connection.", cause);
  });
  if (!response.ok)
    throw badModel(
      url,
      `The model could not be fetched: the server answered with status ${response.status}.`,
    );
  return loadModel(await response.arrayBuffer());
}

function badModel(value: string, message: string, cause?: unknown): KVPolicyError<"config"> {
  return new KVPolicyError({ code: "config", message, details: { option: "model", value }, cause });
}
