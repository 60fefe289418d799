// What Bokeh does between the arrival of a model and its drawing.
//
// The view of a new model listens to the model before it is drawn: that takes a few turns of the browser. A change that
// arrives in between makes views of controls fail ("Cannot read properties of undefined"), and with them the rest of the
// message that brought it. Nothing is lost by letting such a change pass: drawing reads what the model then holds.
(() => {
  const { View } = window.Bokeh.require('core/view')

  function isUndrawn(view) {
    return view._was_built === false
  }

  View.prototype.connect = function (signal, slot) {
    let heard = this._slots.get(slot)
    if (heard == null) {
      heard = (args, sender) => {
        const wasUndrawn = isUndrawn(this)
        const failed = (error) => {
          if (!wasUndrawn) throw error
        }
        let answer
        try {
          answer = slot.call(this, args, sender)
        } catch (error) {
          failed(error)
        }
        this._await_ready(Promise.resolve(answer).catch(failed))
      }
      this._slots.set(slot, heard)
    }
    return signal.connect(heard, this)
  }
})()

// Bokeh takes a button that is held for 0.3 s for a press, and no move that follows for a drag: who held it a moment
// before drawing over a figure, or whose browser was busy for as long, drew nothing. No tool of ours knows a press.
window.Bokeh.require('core/ui_gestures').UIGestures.press_threshold = 2 ** 31 - 1
