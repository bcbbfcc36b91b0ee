import { playwright } from '@vitest/browser-playwright';
import { defineConfig } from 'vitest/config';
import { chromiumArgs, chromiumPath } from './test/helpers/chromium.ts';

const ISOLATED = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' };

/** The browser tests run twice: with WebGPU (emulated in software) and without. */
function browserProject(name: string, webgpu: boolean) {
  return {
    // Host files and their .wasm come from the build: the sources in platforms/browser/host name them as ../../../workers/,
    // which from a module served as /platforms/browser/host/x.ts is /workers/.
    publicDir: 'dist',
    server: { headers: ISOLATED },
    test: {
      name,
      include: ['test/browser/**/*.test.ts'],
      testTimeout: 300_000,
      hookTimeout: 300_000,
      provide: { webgpu },
      fileParallelism: false,
      browser: {
        enabled: true,
        headless: true,
        screenshotFailures: false,
        provider: playwright({ launchOptions: { executablePath: chromiumPath(), args: chromiumArgs(webgpu) } }),
        instances: [{ browser: 'chromium' as const }],
      },
    },
  };
}

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'node',
          include: ['test/core/**/*.test.ts', 'test/node/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'package',
          include: ['test/package/**/*.test.ts'],
          testTimeout: 1_200_000,
          hookTimeout: 1_200_000,
          fileParallelism: false,
        },
      },
      browserProject('browser-webgpu', true),
      browserProject('browser', false),
    ],
  },
});
