/** @module What is said between a model's owner and its host. A host holds one model. */

import { ClosedError, EpochlyError, InputError, UnsupportedOperationError } from '../errors.ts';
import {
  BackendUnavailableError,
  HostError,
  InferenceError,
  MissingPeerError,
  ModelLoadError,
} from '../model-errors.ts';
import type { BackendInfo } from '../platform.ts';
import type { Portable } from '../portable.ts';
import type { OpenRequest, RuntimeModelInfo } from './runtime.ts';

/** What a host is asked for, and what it answers. */
export interface HostOperations {
  readonly open: { readonly body: OpenRequest; readonly answer: RuntimeModelInfo };
  readonly run: { readonly body: readonly Portable[]; readonly answer: Portable };
  /** Disposes of the model. */
  readonly close: { readonly body: undefined; readonly answer: undefined };
  readonly backends: { readonly body: undefined; readonly answer: readonly BackendInfo[] };
}

export type HostOperation = keyof HostOperations;

/** To the host. Who cancels a request no longer waits for its answer, which comes all the same. */
export type HostRequest =
  | {
      [O in HostOperation]: { readonly type: O; readonly id: number; readonly body: HostOperations[O]['body'] };
    }[HostOperation]
  | { readonly type: 'cancel'; readonly id: number };

/** From the host, one a request. */
export type HostReply =
  | {
      readonly id: number;
      readonly answer: unknown;
      /** What it took, in milliseconds. */
      readonly tookMs?: number;
      /** Bytes of the host's memory, in some of the answers. */
      readonly memoryBytes?: number | undefined;
    }
  | { readonly id: number; readonly error: SerializedError };

export interface SerializedError {
  readonly name: string;
  readonly message: string;
  readonly code?: string | undefined;
  readonly input?: string | undefined;
  readonly packageName?: string | undefined;
  readonly stack?: string | undefined;
  readonly cause?: SerializedError | undefined;
}

/** Deepest chain of causes that is kept. */
const MAX_CAUSES = 4;

/** An error as plain data: a structured clone would lose its class, its code and its other fields. */
export function serializeError(error: unknown, causes: number = MAX_CAUSES): SerializedError {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error) };
  const { name, message, stack, cause } = error;
  const { code, input, packageName } = error as { code?: unknown; input?: unknown; packageName?: unknown };
  return {
    name,
    message,
    stack,
    code: EpochlyError.isInstance(error) ? (code as string) : undefined,
    input: typeof input === 'string' ? input : undefined,
    packageName: typeof packageName === 'string' ? packageName : undefined,
    cause: cause === undefined || causes === 0 ? undefined : serializeError(cause, causes - 1),
  };
}

/** The error again, of epochly's class where it was one, with the host's stack as it was there. */
export function reviveError(serialized: SerializedError): Error {
  const { message, stack } = serialized;
  const cause = serialized.cause && reviveError(serialized.cause);
  const options = cause === undefined ? undefined : { cause };
  const error = construct(serialized, message, options);
  if (stack !== undefined) error.stack = stack;
  return error;
}

function construct(
  { name, code, input, packageName }: SerializedError,
  message: string,
  options?: ErrorOptions,
): Error {
  switch (code) {
    case 'BACKEND_UNAVAILABLE':
      return new BackendUnavailableError(message, [], options);
    case 'CLOSED':
      return new ClosedError(message);
    case 'HOST_FAILED':
      return new HostError(message, options);
    case 'INFERENCE':
      return new InferenceError(message, options);
    case 'INPUT':
      return new InputError(message, { ...options, ...(input !== undefined && { input }) });
    case 'MISSING_PEER':
      return Object.assign(new MissingPeerError(packageName ?? '', '', options), { message });
    case 'MODEL_LOAD':
      return new ModelLoadError(message, options);
    case 'UNSUPPORTED_OPERATION':
      return new UnsupportedOperationError(message, options);
    default: {
      const error = new Error(message, options);
      error.name = name;
      return error;
    }
  }
}
