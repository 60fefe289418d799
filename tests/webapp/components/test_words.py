"""Words that change are sent, and nothing else of their pane."""

from bokeh.document import Document

from webapp.components.words import Words


def test_a_change_of_the_words_is_a_change_of_the_text_alone() -> None:
    words, document = Words("<p>old</p>", css_classes=["summary"]), Document()
    model = words.get_root(document)
    document.add_root(model)
    sheets, changed = list(model.stylesheets), []
    document.on_change(lambda event: changed.append((event.model, event.attr)))
    words.object = "<p>new & wild</p>"
    assert model.text == "&lt;p&gt;new &amp; wild&lt;/p&gt;"
    assert changed == [(model, "text")]
    assert model.stylesheets == sheets and model.css_classes == ["summary"]
    words.param.update(object="", visible=False)
    assert (model.text, model.visible) == ("", False)
