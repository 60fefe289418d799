// What people share: calls of the interface, stars, the bell with its notices, and the sign that somebody is here.
(() => {
  const API = 'api/v1'
  let token = ''

  async function send(method, path, body) {
    const headers = { 'X-XSRFToken': token }
    if (body !== undefined) headers['Content-Type'] = 'application/json'
    const answer = await fetch(API + path, {
      method, headers, cache: 'no-store', body: body === undefined ? undefined : JSON.stringify(body),
    })
    token = answer.headers.get('X-Form-Token') || token
    return answer
  }

  // The answer of the interface; what it refuses is an error with its sentence.
  async function call(method, path, body) {
    if (method !== 'GET' && !token) await send('GET', '/me')
    let answer = await send(method, path, body)
    if (answer.status === 403 && method !== 'GET') {
      await send('GET', '/me')
      answer = await send(method, path, body)
    }
    const found = await answer.json()
    if (!answer.ok) throw new Error(found.error || 'that did not work')
    return found
  }

  function element(name, className, ...content) {
    const made = document.createElement(name)
    if (className) made.className = className
    made.append(...content)
    return made
  }

  const UNITS = [['day', 86400], ['hour', 3600], ['minute', 60]]
  function ago(text) {
    const seconds = (Date.now() - new Date(text)) / 1000
    const [unit, size] = UNITS.find(([, one]) => seconds >= one) || ['', 0]
    if (!unit) return 'just now'
    const count = Math.floor(seconds / size)
    return count > 13 && unit === 'day' ? new Date(text).toLocaleDateString() : `${count} ${unit}${count > 1 ? 's' : ''} ago`
  }

  window.halfmap = { call, element, ago }

  // ---- stars: any button with `data-star="jobs/12"`, wherever it lies ----
  function drawStar(button, isOn) {
    button.setAttribute('aria-pressed', String(isOn))
    button.textContent = isOn ? '★' : '☆'
  }
  addEventListener('click', async (event) => {
    const button = event.composedPath().find((one) => one.dataset && one.dataset.star)
    if (!button) return
    event.preventDefault()
    const isOn = button.getAttribute('aria-pressed') !== 'true'
    drawStar(button, isOn)
    try {
      await call(isOn ? 'PUT' : 'DELETE', `/${button.dataset.star}/star`)
    } catch (error) {
      drawStar(button, !isOn)
      button.title = error.message
    }
  }, true)

  // ---- the bell ----
  const ENDED = ['finished', 'failed', 'stopped']
  const NOTIFIES = 'halfmap-notifies', TOLD = 'halfmap-told'
  let last = null, unread = 0, listed = [], mark = ''

  const canNotify = () => 'Notification' in window && window.isSecureContext
  const notifies = () => canNotify() && Notification.permission === 'granted' && localStorage.getItem(NOTIFIES) === 'on'

  function tellOutside(notice) {
    if (!document.hidden) return
    if (ENDED.includes(notice.news)) {
      document.title = document.title.slice(mark.length)
      mark = `● ${notice.sentence} · `
      document.title = mark + document.title
    }
    if (!notifies() || Number(localStorage.getItem(TOLD) || 0) >= notice.id) return
    localStorage.setItem(TOLD, String(notice.id))
    const shown = new Notification(notice.sentence, {
      body: [notice.project, notice.text].filter(Boolean).join('\n'), tag: `halfmap-${notice.id}`, icon: 'assets/halfmap.svg',
    })
    shown.onclick = () => { window.focus(); location.href = notice.url; shown.close() }
  }

  function count(number) {
    unread = number
    const bell = document.querySelector('.bell'), badge = bell?.querySelector('.count')
    if (!badge) return
    badge.hidden = !number
    badge.textContent = number > 99 ? '99+' : String(number)
    bell.setAttribute('aria-label', number ? `Notices, ${number} unread` : 'Notices')
  }

  async function look() {
    const found = await call('GET', '/notices?limit=8')
    listed = found.notices
    count(found.unread)
    const newest = listed.length ? listed[0].id : 0
    if (last !== null) listed.filter((one) => one.id > last && !one.is_read).reverse().forEach(tellOutside)
    last = Math.max(last ?? 0, newest)
    const list = document.querySelector('.bell-list')
    if (list && !list.hidden) draw(list)
  }

  async function markRead(body) {
    const found = await call('POST', '/notices/read', body)
    count(found.unread)
  }

  function line(notice) {
    const link = element('a', `notice-line ${notice.is_read ? '' : 'unread'}`)
    link.href = notice.url
    const mark_ = element('span', `news ${notice.news}`)
    mark_.setAttribute('aria-hidden', 'true')
    const words = element('span', 'words', element('b', '', notice.sentence))
    if (notice.text && notice.news !== 'shared') words.append(element('span', 'said', notice.text))
    words.append(element('small', '', `${notice.project} · ${ago(notice.made_at)}${notice.is_read ? '' : ' · new'}`))
    link.append(mark_, words)
    link.addEventListener('click', () => { markRead({ ids: [notice.id] }).catch(() => {}) })
    return link
  }

  function draw(list) {
    const head = element('div', 'bell-head', element('b', '', 'Notices'))
    const all = element('button', '', 'Mark all read')
    all.type = 'button'
    all.disabled = !unread
    all.onclick = async () => { await markRead({}); await look() }
    head.append(all)
    const lines = listed.length ? listed.map(line)
      : [element('p', 'faint', 'Nothing yet. You are told when jobs of yours end or wait, when somebody calls you by @name, '
        + 'and when a project is shared with you.')]
    const more = element('a', '', 'All notices')
    more.href = 'notices'
    list.replaceChildren(head, ...lines, element('div', 'bell-foot', more, notifyButton()))
  }

  // Asked for by a click alone: no page asks for leave to notify when it is opened.
  function notifyButton() {
    const button = element('button', 'notify')
    button.type = 'button'
    const show = () => {
      const isBlocked = canNotify() && Notification.permission === 'denied'
      button.disabled = !canNotify() || isBlocked
      button.setAttribute('aria-pressed', String(notifies()))
      button.textContent = !canNotify() ? 'Browser notifications need HTTPS'
        : isBlocked ? 'Notifications are blocked in this browser'
          : notifies() ? '✓ Notifies in this browser' : 'Notify me in this browser'
    }
    button.onclick = async () => {
      if (notifies()) localStorage.setItem(NOTIFIES, 'off')
      else if (await Notification.requestPermission() === 'granted') localStorage.setItem(NOTIFIES, 'on')
      show()
    }
    show()
    return button
  }

  function openBell(isOpen) {
    const bell = document.querySelector('.bell'), list = document.querySelector('.bell-list')
    if (!bell) return
    if (isOpen) draw(list)
    list.hidden = !isOpen
    bell.setAttribute('aria-expanded', String(isOpen))
  }

  // ---- being here: tells the server which project somebody looks at, as long as the page is seen ----
  const place = (document.querySelector('meta[name=halfmap-place]')?.content || '').split(' ')
  const project = place[1], job = place[3]
  function here() {
    if (document.hidden || !project) return
    call('POST', `/projects/${project}/visit`).catch(() => {})
    if (job) markRead({ job: Number(job) }).catch(() => {})
  }

  const bell = document.querySelector('.bell')
  if (!bell) return
  bell.onclick = () => openBell(bell.getAttribute('aria-expanded') !== 'true')
  bell.closest('.bell-place').addEventListener('keydown', (event) => {
    if (event.key === 'Escape') { openBell(false); bell.focus() }
  })
  addEventListener('click', (event) => {
    if (!event.composedPath().some((one) => one.classList?.contains('bell-place'))) openBell(false)
  })
  document.querySelectorAll('[data-notify]').forEach((one) => one.append(notifyButton()))
  const start = async () => { await look().catch(() => {}); here() }
  start()
  setInterval(() => { look().catch(() => {}) }, 20000)
  setInterval(here, 60000)
  addEventListener('visibilitychange', () => {
    if (document.hidden) return
    document.title = document.title.startsWith(mark) ? document.title.slice(mark.length) : document.title
    mark = ''
    start()
  })
})()
