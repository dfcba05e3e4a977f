"""Small rules and small models: language, topic, gibberish, invisible text, links, code."""
