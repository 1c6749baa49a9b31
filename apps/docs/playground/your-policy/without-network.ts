/** By what a worker reaches the network, or the page. */
const DOORS = [
  "fetch",
  "XMLHttpRequest",
  "WebSocket",
  "WebSocketStream",
  "WebTransport",
  "EventSource",
  "importScripts",
  "FontFace",
  "caches",
  "indexedDB",
  "Worker",
  "BroadcastChannel",
  "postMessage",
];

/**
 * Takes from a global scope what reaches others. `import()` in code that is made of text cannot be taken: the Content-Security-Policy of
 * the page, which workers inherit, is what keeps code that was pasted here from other hosts.
 */
export function withoutNetwork(scope: object): void {
  for (const door of DOORS) {
    for (let owner: object | null = scope; owner; owner = Object.getPrototypeOf(owner) as object | null) {
      if (Object.hasOwn(owner, door)) Reflect.deleteProperty(owner, door);
    }
  }
}
