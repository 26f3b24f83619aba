"""Language modelling on top of the engine: corpora, text, metrics, models, sampling."""
