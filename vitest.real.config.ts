import { defineConfig } from 'vitest/config'

/** `npm run test:real`: tests against other people's programs, which test/real/install.d installs. */
export default defineConfig({
  test: {
    include: ['test/real/**/*.test.ts'],
    testTimeout: 120_000,
    hookTimeout: 180_000,
    pool: 'forks',
    // Each file has a service of its own; much of their time the clients only wait.
    maxWorkers: 2,
  },
})
