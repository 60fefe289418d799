// What Bokeh's controls leave out for people who use the keyboard or listen to pages: names of sliders and of the buttons of
// number fields, roles and keys of tabs, and nothing to be reached on the tabs that are not shown.
(() => {
  const ENDS = [', from', ', to']

  function label(element, text) {
    if (element.getAttribute('aria-label') !== text) element.setAttribute('aria-label', text)
  }

  const textIn = (view) => view.shadow_el?.querySelector('.bk-clearfix')?.textContent.trim()
    || (view.child_views || []).map(textIn).find(Boolean) || ''

  // Where a slider has a field to type into, their name stands beside both.
  function titleOf(view) {
    const own = view.model.title || view.model.name
    return own || (view.parent && textIn(view.parent).replace(/:$/, '')) || 'value'
  }

  function slider(view) {
    const handles = view.shadow_el.querySelectorAll('.noUi-handle')
    handles.forEach((handle, n) => label(handle, titleOf(view) + (handles.length > 1 ? ENDS[n] : '')))
  }

  // The arrow keys do what the buttons do, which need not be stepped through.
  function spinner(view) {
    const title = titleOf(view)
    const field = view.shadow_el.querySelector('input')
    if (field && !view.model.title) label(field, title)
    view.shadow_el.querySelectorAll('.bk-spin-btn').forEach((button) => {
      label(button, `${title}: ${button.matches('.bk-spin-btn-up') ? 'more' : 'less'}`)
      button.tabIndex = -1
    })
  }

  function keys(event) {
    const tabs = [...event.currentTarget.querySelectorAll('.bk-tab')]
    const at = tabs.indexOf(event.target)
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key]
    if (at < 0 || (step === undefined && event.key !== 'Enter' && event.key !== ' ')) return
    event.preventDefault()
    const next = tabs[(at + (step || 0) + tabs.length) % tabs.length]
    steppedThrough = event.currentTarget.getRootNode().host
    next.click()
    next.focus()
  }

  const focused = () => {
    let one = document.activeElement
    while (one?.shadowRoot?.activeElement) one = one.shadowRoot.activeElement
    return one && one !== document.body ? one : null
  }

  // A tab that was come to by a key is drawn anew with what is on it: the keyboard stays there until it goes elsewhere.
  let steppedThrough = null
  document.addEventListener('pointerdown', () => { steppedThrough = null }, true)
  function stay(view) {
    if (steppedThrough !== view.el) return
    const one = focused()
    if (!one) view.shadow_el.querySelector('.bk-tab[tabindex="0"]')?.focus({ preventScroll: true })
    else if (!view.shadow_el.contains(one)) steppedThrough = null
  }

  // The server makes a tab when it is opened. Until then there is nothing on it, or a piece of empty room.
  const isMade = (child) => !child || !(/Spacer$/.test(child.model.type) || child.model.children?.length === 0)

  function tabs(view) {
    const header = view.shadow_el.querySelector('.bk-header')
    if (!header) return
    // The keyboard comes to the tabs before what is on them; they lie where the style sheet puts them.
    const first = [...view.shadow_el.children].find((one) => one.tagName === 'DIV')
    if (first !== header) first.before(header)
    const list = header.querySelector('.bk-headers-wrapper') || header
    if (list.getAttribute('role') !== 'tablist') {
      list.setAttribute('role', 'tablist')
      list.addEventListener('keydown', keys)
      new MutationObserver(() => tabs(view)).observe(list, { childList: true })
    }
    header.querySelectorAll('.bk-tab').forEach((tab, n) => {
      const isActive = n === view.model.active
      tab.setAttribute('role', 'tab')
      tab.setAttribute('aria-selected', String(isActive))
      tab.tabIndex = isActive ? 0 : -1
    })
    view.child_views.forEach((child, n) => { child.el.inert = n !== view.model.active })
    header.classList.toggle('waits', isMade(view.child_views[view.model.active]) === false)
    stay(view)
  }

  // Chosen words are no options of a list box, though the library that draws them says that they are selected.
  function choice(view) {
    view.shadow_el.querySelectorAll('.choices__list--multiple [aria-selected]').forEach((one) => one.removeAttribute('aria-selected'))
  }

  const KINDS = [[/Slider$/, slider], [/Tabs$/, tabs], [/Spinner$/, spinner], [/MultiChoice$/, choice]]
  setInterval(() => {
    if (document.hidden || !window.Bokeh?.index) return
    for (const view of Bokeh.index.query((one) => one.shadow_el && KINDS.some(([kind]) => kind.test(one.model.type)))) {
      KINDS.find(([kind]) => kind.test(view.model.type))[1](view)
    }
  }, 400)
})()
