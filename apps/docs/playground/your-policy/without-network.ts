/** By what a worker reaches the network, or the page. */
const DOORS = [
  "fetch",
  "XMLHttpRequest",
  "WebSocket",
  "WebTransport",
  "EventSource",
  "importScripts",
  "Worker",
  "BroadcastChannel",
  "postMessage",
];

/** Takes from a global scope what reaches others: code that was pasted here sends nothing anywhere. */
export function withoutNetwork(scope: object): void {
  for (const door of DOORS) {
    for (let owner: object | null = scope; owner; owner = Object.getPrototypeOf(owner) as object | null) {
      if (Object.hasOwn(owner, door)) Reflect.deleteProperty(owner, door);
    }
  }
}
