/**
 * A backend without a model, for tests: it records its calls and refuses every breach of the contract.
 *
 * @module @kvpolicy/core/testing
 */
export {
  cellContent,
  FakeBackend,
  predictNll,
  type FakeBackendOptions,
  type FakeCall,
  type FakeSampling,
} from "./testing/fake-backend.js";
