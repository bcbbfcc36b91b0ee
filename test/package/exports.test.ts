/** The names that the package exports: the same on every platform, no more than meant, each with a doc comment. */

import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import ts from 'typescript';
import { describe, expect, test } from 'vitest';
import { root } from './support/static-server.ts';

const PLATFORMS = ['node', 'browser', 'web'] as const;

const NAMES = [
  'AuditChain',
  'AuditLogger',
  'BackendUnavailableError',
  'CircuitBreaker',
  'CircuitOpenError',
  'ClosedError',
  'CodecError',
  'CompileSafetyMonitor',
  'ConfigError',
  'DeadlineExceededError',
  'DriftMonitor',
  'DynamicMicroBatcher',
  'EpochlyError',
  'FallbackChain',
  'FallbacksExhaustedError',
  'FieldError',
  'FieldSpec',
  'GoldenStore',
  'HashesOnlyTier',
  'HopTimeoutError',
  'HostError',
  'HysteresisController',
  'IdentityMismatchError',
  'InferenceCache',
  'InferenceConfig',
  'InferenceError',
  'InferenceOptimizer',
  'InferenceProfiler',
  'InputError',
  'InputRedactor',
  'InputSchema',
  'InputSchemaValidator',
  'KeyError',
  'L2Cache',
  'L3Cache',
  'MemoryStore',
  'MissingPeerError',
  'ModelCompiler',
  'ModelLoadError',
  'QueueFullError',
  'RequestPriority',
  'SafetyOrchestrator',
  'SecurityError',
  'SecurityValidator',
  'StoreError',
  'StoreFullError',
  'StoreTimeoutError',
  'StoreUnavailableError',
  'TenantIsolation',
  'Tensor',
  'TorchCompileSafetyMonitor',
  'UnsupportedModelError',
  'UnsupportedOperationError',
  'ValidatorRegistry',
  'WrongAnswerError',
  'callableAdapter',
  'classifierValidator',
  'createAdapter',
  'createEpochly',
  'createRequestContext',
  'createValidator',
  'currentContext',
  'decodePortable',
  'embeddingValidator',
  'encodePortable',
  'encoderValidator',
  'failureKind',
  'generationValidator',
  'guardStore',
  'inferSchema',
  'judge',
  'listBackends',
  'llmValidator',
  'load',
  'openAuditKey',
  'openAuditStorage',
  'openKeyring',
  'openStore',
  'registerAdapter',
  'rerankerValidator',
  'rewrapAuditKey',
  'runWithContext',
  'sharedEpochly',
  'tensor',
  'unwrap',
  'verifyAuditLog',
  'workloadOf',
  'wrap',
];

const entryOf = (platform: string, extension: string): string =>
  join(root, `dist/platforms/${platform}/index.${extension}`);

/** The doc comment of each name in an entry's declarations, types included. */
function documented(platform: string): ReadonlyMap<string, string> {
  const entry = entryOf(platform, 'd.ts');
  const program = ts.createProgram([entry], {
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    types: [],
  });
  const checker = program.getTypeChecker();
  const module = checker.getSymbolAtLocation(program.getSourceFile(entry) as ts.SourceFile) as ts.Symbol;
  return new Map(
    checker.getExportsOfModule(module).map((name) => {
      const declared = name.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(name) : name;
      return [name.name, ts.displayPartsToString(declared.getDocumentationComment(checker))];
    }),
  );
}

const comments = new Map(PLATFORMS.map((platform) => [platform, documented(platform)]));

describe.each(PLATFORMS)('the entry for %s', (platform) => {
  test('exports these values', async () => {
    const names = Object.keys((await import(pathToFileURL(entryOf(platform, 'js')).href)) as object);
    expect(names.toSorted()).toEqual(NAMES);
  });

  test('declares the same names, types included, as the others', () => {
    const names = [...(comments.get(platform)?.keys() ?? [])];
    expect(names).toEqual(expect.arrayContaining(NAMES));
    expect(names.toSorted()).toEqual([...(comments.get('node')?.keys() ?? [])].toSorted());
  });

  test('says what each name is', () => {
    const silent = [...(comments.get(platform) ?? [])].filter(([, comment]) => comment.trim() === '');
    expect(silent.map(([name]) => name)).toEqual([]);
  });
});

test('the declarations type-check in a program with nothing but ES2022 and the DOM', () => {
  const program = ts.createProgram(
    PLATFORMS.map((platform) => entryOf(platform, 'd.ts')),
    {
      target: ts.ScriptTarget.ES2022,
      module: ts.ModuleKind.ESNext,
      moduleResolution: ts.ModuleResolutionKind.Bundler,
      lib: ['lib.es2022.d.ts', 'lib.dom.d.ts'],
      types: [],
      strict: true,
      skipLibCheck: false,
      noEmit: true,
    },
  );
  const problems = ts.getPreEmitDiagnostics(program).map(({ file, messageText }) => [file?.fileName, messageText]);
  expect(problems).toEqual([]);
});

test('the file for script tags exports the same values', async () => {
  const names = Object.keys((await import(pathToFileURL(join(root, 'dist/epochly.js')).href)) as object);
  expect(names.toSorted()).toEqual(NAMES);
});
