"""The same product as one conventional service: FastAPI, Beanie and Motor, find then insert."""
