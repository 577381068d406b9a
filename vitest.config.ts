import { defineConfig } from 'vitest/config'

/** `npm test`: everything that needs only Node.js. `npm run test:real` (test/real) has a configuration of its own. */
export default defineConfig({
  test: {
    include: ['packages/**/*.test.ts', 'server/**/*.test.ts', 'bench/**/*.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    pool: 'forks',
    maxWorkers: 2,
  },
})
