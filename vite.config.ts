import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';
import { epochly } from './dist/platforms/vite/index.js';

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** The demo page, built on the package as it is published. */
export default defineConfig({
  root: at('./demo'),
  publicDir: false,
  plugins: [epochly()],
  resolve: { alias: { epochly: at('./dist/platforms/browser/index.js') } },
  build: {
    outDir: at('./demo/dist'),
    emptyOutDir: true,
    target: 'es2022',
    reportCompressedSize: false,
    chunkSizeWarningLimit: 2000,
  },
});
