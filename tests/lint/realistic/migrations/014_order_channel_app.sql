-- description: Orders from the app
alter type order_channel add value if not exists 'app' before 'phone';
