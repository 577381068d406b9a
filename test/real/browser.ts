/** Chromium, as Debian has it, and what the tests of pages ask of it. */
import { access } from 'node:fs/promises'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'

const executablePath = '/usr/bin/chromium'
/** No GPU and no sandbox, as in a container; and nobody is to be called home. */
const args = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** @throws Error that says how to install it when it is missing. */
export async function startBrowser(): Promise<Browser> {
  await access(executablePath).catch(() => {
    throw new Error('No Chromium to test with; install it with: test/real/install.sh')
  })
  // It makes a profile of its own, which goes with it.
  return chromium.launch({ executablePath, args })
}

export interface Tab {
  page: Page
  /** What went wrong in it: errors of scripts, refusals of its policy, requests to anybody but the service. */
  faults: string[]
  close(): Promise<void>
}

/** A tab of somebody who shares nothing with the other tabs. */
export async function openTab(
  browser: Browser,
  service: string,
  options: BrowserContextOptions = {},
): Promise<Tab> {
  const context = await browser.newContext(options)
  const page = await context.newPage()
  const faults: string[] = []
  page.on('pageerror', (error) => faults.push(String(error)))
  page.on('console', (message) => {
    // What the service refuses is no fault of the page.
    if (message.type() === 'error' && !/^Failed to load resource|^WebSocket connection/.test(message.text()))
      faults.push(message.text())
  })
  page.on('request', (request) => {
    if (!request.url().startsWith(service) && !request.url().startsWith('blob:')) faults.push(request.url())
  })
  return { page, faults, close: () => context.close() }
}
