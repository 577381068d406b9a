import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { endLaunched, launch, type Service } from '../../server/testing.ts'
import { openTab, startBrowser, type Tab } from './browser.ts'

const machine = 'machine-1'
let [directory, base] = ['', '']
let service: Service
let browser: Browser
const tokens: Record<string, string> = {}
const tabs: Tab[] = []

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'leasehold-page-'))
  ;[browser] = await Promise.all([startBrowser(), startService('127.0.0.1:0')])
  for (const who of ['owner', 'lessee']) tokens[who] = await login(who)
  await call('lessee', 'PUT', `/v1/nodes/${machine}/states/power`, { target: 'power on' })
})
afterEach(async () => {
  const faults = tabs.flatMap((tab) => tab.faults)
  await Promise.all(tabs.splice(0).map((tab) => tab.close()))
  expect(faults).toEqual([])
})
afterAll(async () => {
  await browser?.close()
  await service?.end('SIGTERM')
  await endLaunched()
  await rm(directory, { recursive: true, force: true })
})

describe('The page of a console, in Chromium', () => {
  test('says that the console is off, switches it on, and lets its lessee type at the machine', async () => {
    await call('lessee', 'PUT', `/v1/nodes/${machine}/console`, { enabled: false })
    await expect.poll(async () => (await status()).state, patience).toBe('idle')
    const page = await open('lessee')
    await page.getByRole('heading', { name: 'The console is off' }).waitFor()
    await page.getByRole('button', { name: 'Switch it on' }).click()
    await fact(page, 'line', 'line up')
    await fact(page, 'mode', 'read only')
    await page.keyboard.type('unheard')
    await page.getByText('Read only: take the keyboard first').waitFor()
    await takeKeyboard(page, 'Type')
    await logIn(page)
    await page.keyboard.type('echo hello-there ümlaut\r')
    await shows(page, /^hello-there ümlaut$/m)
    expect(await page.title()).toBe(`${machine} · console`)
    expect(await screenOf(page)).not.toContain('unheard')
  })

  test('shows a second reader the same, who types nothing until it has taken the keyboard', async () => {
    const writer = await open('lessee')
    await takeKeyboard(writer, 'Type')
    const reader = await open('lessee')
    await fact(reader, 'mode', 'read only')
    await writer.getByText('2 watching: you (typing), lessee').waitFor()
    await reader.getByText('2 watching: you, lessee (typing)').waitFor()
    await reader.locator('#terminal').click()
    await reader.keyboard.type('unheard')
    await writer.locator('#terminal').click()
    await writer.keyboard.type('echo from-the-$first\r')
    for (const page of [writer, reader]) await shows(page, /^from-the-\$first$/m)
    await takeKeyboard(reader, 'Take')
    await fact(writer, 'mode', 'read only')
    await writer.locator('#terminal').click()
    await writer.keyboard.type('unheard')
    await reader.keyboard.type('echo from-the-$second\r')
    for (const page of [writer, reader]) await shows(page, /^from-the-\$second$/m)
    expect(await screenOf(writer)).not.toContain('unheard')
    await reader.getByRole('button', { name: 'Release' }).click()
    await fact(reader, 'mode', 'read only')
    await writer
      .getByText('1 watching')
      .or(writer.getByRole('button', { name: 'Type', exact: true }))
      .first()
      .waitFor()
  })

  test('sends a break, which the machine answers', async () => {
    const page = await open('lessee')
    expect(await page.getByRole('button', { name: 'Break' }).isDisabled()).toBe(true)
    await takeKeyboard(page, 'Type')
    await page.getByRole('button', { name: 'Break' }).click()
    await shows(page, /a serial break was received/)
  })

  test('finds what was printed, reads on from there, and saves it all', async () => {
    const page = await open('lessee')
    await takeKeyboard(page, 'Type')
    await page.keyboard.type('echo needle-7\rflood 20000\recho after-the-flood\r')
    await shows(page, /^after-the-flood$/m)
    expect(await screenOf(page)).not.toContain('needle-7')
    await page.getByRole('button', { name: 'Search' }).click()
    await page.getByRole('searchbox', { name: 'Text' }).fill('NEEDLE-7')
    await page.keyboard.press('Enter')
    await page.getByText('2 found').waitFor()
    await page.locator('#hits button').last().click()
    await shows(page, /^needle-7$/m)
    const downloading = page.waitForEvent('download')
    await page.getByRole('button', { name: 'Text log' }).click()
    const download = await downloading
    expect(download.suggestedFilename()).toBe(`${machine}.log`)
    expect(await readFile(await download.path(), 'utf8')).toMatch(/needle-7[\s\S]*after-the-flood/)
  })

  test('goes on by itself after the service was killed, with not a byte lost or shown twice', async () => {
    const page = await open('lessee')
    await takeKeyboard(page, 'Type')
    await page.keyboard.type('echo before-the-kill\r')
    await shows(page, /^before-the-kill$/m)
    await service.end('SIGKILL')
    await fact(page, 'line', 'connection lost')
    await startService(new URL(base).host)
    await fact(page, 'line', 'line up', 60_000)
    await page.getByText('connection is back').waitFor()
    await fact(page, 'mode', 'you type')
    // The lab's shell went with the service.
    await page.locator('#terminal').click()
    await page.keyboard.type('\r')
    await shows(page, /login:\n*$/)
    await logIn(page)
    await page.keyboard.type('echo after-the-kill\r')
    await shows(page, /^after-the-kill$/m)
    const printed = await (
      await call('lessee', 'GET', `/v1/nodes/${machine}/console/journal?format=raw`)
    ).text()
    const [shown, wanted] = [inkOf(await screenOf(page)), inkOf(printed)]
    for (const part of ['before-the-kill', 'after-the-kill']) expect(shown).toContain(part)
    expect(wanted.endsWith(shown)).toBe(true)
  })

  test('tells a stranger no more than of a node that is not there', async () => {
    const page = await open('stranger')
    await page.getByText(`There is no node ${machine}, or stranger in stranger may not see it.`).waitFor()
    const other = await open('lessee', 'no-such-machine')
    await other.getByText('There is no node no-such-machine, or lessee in lessee may not see it.').waitFor()
  })

  test('asks again for a wrong password, takes a token too, and makes its own worthless on signing out', async () => {
    const page = await open(null)
    await signIn(page, 'lessee', 'wrong')
    await page.getByText('User, password and project do not fit together.').waitFor()
    const answer = page.waitForResponse((response) => response.url().includes('/auth/tokens'))
    await signIn(page, 'lessee', await passwordOf('lessee'))
    const token = (await (await answer).headerValue('x-subject-token')) as string
    await fact(page, 'line', 'line up')
    await page.reload()
    await fact(page, 'line', 'line up')
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByRole('button', { name: 'Sign in', exact: true }).waitFor()
    expect(await page.evaluate(() => sessionStorage.length + localStorage.length)).toBe(0)
    await expect
      .poll(
        async () => (await fetch(`${base}/v1/nodes`, { headers: { 'x-auth-token': token } })).status,
        patience,
      )
      .toBe(401)
    await page.getByText('Sign in with a token').click()
    await page.getByLabel('Token').fill(await login('lessee'))
    await page.getByRole('button', { name: 'Use the token' }).click()
    await fact(page, 'line', 'line up')
  })

  test('asks to sign in again when its token is revoked elsewhere', async () => {
    const page = await open(null)
    const token = await login('lessee')
    await page.getByText('Sign in with a token').click()
    await page.getByLabel('Token').fill(token)
    await page.getByRole('button', { name: 'Use the token' }).click()
    await fact(page, 'line', 'line up')
    const headers = { 'x-auth-token': token, 'x-subject-token': token }
    await fetch(`${base}/identity/v3/auth/tokens`, { method: 'DELETE', headers })
    await page.getByText('the token has expired or was revoked').waitFor({ timeout: 5_000 })
    expect(await page.locator('.xterm').count()).toBe(0)
  })

  test.each([
    ['dark', 400, 700],
    ['light', 400, 700],
    ['dark', 1000, 640],
    ['light', 1600, 900],
  ] as const)('has all its text in sight: %s, %i by %i', async (colorScheme, width, height) => {
    const tab = await openTab(browser, base, { colorScheme, viewport: { width, height } })
    tabs.push(tab)
    const { page } = tab
    await page.goto(`${base}/consoles/${machine}`)
    await page.getByRole('button', { name: 'Sign in', exact: true }).waitFor()
    expect(await hiddenText(page)).toEqual([])
    await signIn(page, 'lessee', await passwordOf('lessee'))
    await fact(page, 'line', 'line up')
    expect(await hiddenText(page)).toEqual([])
    await takeKeyboard(page, 'Type')
    expect(await hiddenText(page)).toEqual([])
  })

  test('can be worked with the keyboard alone', async () => {
    const page = await open('lessee')
    const focused = () => page.locator(':focus')
    await fact(page, 'line', 'line up')
    await page.getByRole('button', { name: 'Sign out' }).focus()
    for (const name of ['asciicast', 'Text log', 'Search', 'Type']) {
      await page.keyboard.press('Shift+Tab')
      expect(await focused().textContent()).toBe(name)
    }
    await page.keyboard.press('Enter')
    await fact(page, 'mode', 'you type')
    // In the terminal, Tab is the machine's.
    await expect.poll(() => focused().getAttribute('aria-label'), patience).toBe('Terminal input')
    await page.keyboard.press('Tab')
    expect(await focused().getAttribute('aria-label')).toBe('Terminal input')
    await page.keyboard.press('Control+Shift+F6')
    expect(await focused().textContent()).toBe('Search')
    await page.keyboard.press('Enter')
    await page.getByRole('searchbox').waitFor()
    await page.keyboard.press('Escape')
    await page.getByRole('searchbox').waitFor({ state: 'hidden' })
  })

  test('is cut when the lease ends, and learns nothing more of the node', async () => {
    const page = await open('lessee')
    await takeKeyboard(page, 'Type')
    await call('owner', 'PATCH', `/v1/nodes/${machine}`, [{ op: 'remove', path: '/lessee' }])
    await page.getByRole('heading', { name: 'This is over' }).waitFor({ timeout: 5_000 })
    await page.getByText('The node has changed hands.').waitFor()
    expect(await page.locator('#terminal').isVisible()).toBe(false)
    await page.getByRole('button', { name: 'Try again' }).click()
    await page.getByRole('heading', { name: 'Not found' }).waitFor()
  })
})

const patience = { timeout: 20_000, interval: 100 }

async function startService(listen: string): Promise<void> {
  service = launch([
    '--demo',
    '--data',
    join(directory, 'data'),
    '--listen',
    listen,
    '--console-off-linger-seconds',
    '0',
  ])
  base = await service.listening()
}

async function passwordOf(who: string): Promise<string> {
  const { clouds } = parse(await readFile(join(directory, 'data/clouds.yaml'), 'utf8'))
  return clouds[who].auth.password
}

/** A token of one of the demonstration's users. */
async function login(who: string): Promise<string> {
  const user = { name: who, domain: { name: 'Default' }, password: await passwordOf(who) }
  const answer = await fetch(`${base}/identity/v3/auth/tokens`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ auth: { identity: { methods: ['password'], password: { user } } } }),
  })
  return answer.headers.get('x-subject-token') as string
}

async function call(who: string, method: string, path: string, body?: unknown): Promise<Response> {
  const answer = await fetch(base + path, {
    method,
    headers: {
      'x-auth-token': tokens[who] as string,
      'x-openstack-ironic-api-version': 'latest',
      'content-type': 'application/json',
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`)
  return answer
}

const status = async () =>
  (await (await call('lessee', 'GET', `/v1/nodes/${machine}/console`)).json()) as { state: string }

/** The page of a machine, tall enough for all that a test prints, with somebody signed in. */
async function open(who: string | null, node = machine): Promise<Page> {
  const tab = await openTab(browser, base, { viewport: { width: 1000, height: 640 } })
  tabs.push(tab)
  await tab.page.goto(`${base}/consoles/${node}`)
  if (who) await signIn(tab.page, who, await passwordOf(who))
  return tab.page
}

async function signIn(page: Page, who: string, password: string): Promise<void> {
  await page.getByLabel('User', { exact: true }).fill(who)
  await page.getByLabel('Password').fill(password)
  await page.getByRole('button', { name: 'Sign in', exact: true }).click()
}

async function takeKeyboard(page: Page, button: 'Type' | 'Take'): Promise<void> {
  await page.getByRole('button', { name: button, exact: true }).click()
  await fact(page, 'mode', 'you type')
}

/** Gets a prompt of the lab's shell, whatever the machine was doing; one that boots hears nothing. */
async function logIn(page: Page): Promise<void> {
  await page.locator('#terminal').click()
  const prompted = async () => {
    const screen = (await screenOf(page)).trimEnd()
    if (screen.endsWith('#')) return true
    await page.keyboard.type(screen.endsWith('login:') ? 'root\r' : '\r')
    return false
  }
  await expect.poll(prompted, { ...patience, interval: 500 }).toBe(true)
}

/** Waits until the header says it. */
const fact = (page: Page, which: 'line' | 'power' | 'mode', text: string, timeout = patience.timeout) =>
  page.locator(`#${which}`, { hasText: text }).waitFor({ timeout })

const screenOf = async (page: Page): Promise<string> =>
  (await page.locator('.xterm-rows > div').allTextContents())
    .map((row) => row.replaceAll('\u00a0', ' ').trimEnd())
    .join('\n')

const shows = (page: Page, what: RegExp) => expect.poll(() => screenOf(page), patience).toMatch(what)

/** What is printed without the space between, and without the page's own lines. */
const inkOf = (text: string): string =>
  text
    .split(/\r?\n/)
    .filter((line) => !line.startsWith('···'))
    .join('')
    .replace(/\s/g, '')

/** Texts of the page that nobody can read: see hidden-text.js. */
const hiddenText = async (page: Page): Promise<string[]> =>
  page.evaluate(await readFile(join(import.meta.dirname, 'hidden-text.js'), 'utf8'))
