/** @module Reads models in browsers: URLs, Blobs, bytes. */

import { parseAddress, urlReader } from '../../src/host/fetch-model.ts';
import type { ModelFiles, ReadOptions } from '../../src/host/model-files.ts';
import {
  contentReader,
  collectModelFiles,
  collectTransformersFiles,
  isTransformersSource,
} from '../../src/host/model-sources.ts';
import type { ModelSource } from '../../src/host/model-sources.ts';
import { sha256 } from '../../src/hash.ts';

/** Addresses are relative to the page, or to the worker that asks; those of blobs and data are addresses as well. */
export async function readModel(source: ModelSource, options: ReadOptions): Promise<ModelFiles> {
  if (isTransformersSource(source)) {
    const folder = absolute(source.model);
    const reader = urlReader(folder.endsWith('/') ? folder : `${folder}/`, options);
    return collectTransformersFiles(reader, sha256, options.frameworkOptions);
  }
  if (typeof source === 'string' || source instanceof URL) {
    return collectModelFiles(urlReader(absolute(source), options), sha256);
  }
  return collectModelFiles(await contentReader(source), sha256);
}

function absolute(address: string | URL): string {
  return parseAddress(address, globalThis.document?.baseURI ?? globalThis.location?.href).href;
}
