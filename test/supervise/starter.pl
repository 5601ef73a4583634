#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# A worker as people write them for start_server: its socket comes from Server::Starter's module.
use strict;
use warnings;
use IO::Socket::INET;
use Server::Starter qw(server_ports);

my ($fd) = values %{ server_ports() };
my $listening = IO::Socket::INET->new;
$listening->fdopen($fd, 'r') or die "cannot use descriptor $fd: $!";
my $end = 0;
$SIG{TERM} = sub { $end = 1 };
until ($end) {
    my $client = $listening->accept or next;
    while (defined(my $line = <$client>)) {
        last if $line =~ /^\r?$/;
    }
    my $body = "generation $ENV{SERVER_STARTER_GENERATION} pid $$\n";
    print $client "HTTP/1.0 200 OK\r\nContent-Length: " . length($body) . "\r\n\r\n$body";
    close $client;
}
