"""How a route is declared, admitted and answered (FastAPI's side)."""
