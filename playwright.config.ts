import { defineConfig } from '@playwright/test';
import { chromiumArgs, chromiumPath } from './test/helpers/chromium.ts';

const PORT = 4173;

/** End to end on the demo page: with WebGPU (emulated in software) and without. */
export default defineConfig({
  testDir: 'test/page',
  outputDir: 'test-results/page',
  timeout: 120_000,
  workers: 1,
  use: { baseURL: `http://127.0.0.1:${PORT}` },
  webServer: {
    command: `node scripts/start.mjs`,
    env: { PORT: String(PORT) },
    url: `http://127.0.0.1:${PORT}/`,
    timeout: 300_000,
  },
  projects: [true, false].map((webgpu) => ({
    name: webgpu ? 'chromium-webgpu' : 'chromium',
    use: {
      browserName: 'chromium' as const,
      launchOptions: { executablePath: chromiumPath(), args: chromiumArgs(webgpu) },
    },
  })),
});
