# An operator made of Net::SMPP (Perl; Debian's libnet-smpp-perl): takes a bind, answers submits, sends receipts and one inbound message.
# perl net_smpp_operator.pl PORT [CERTIFICATE KEY]; says on standard output what it hears, one line each.
use strict;
use warnings;
use Net::SMPP;

$| = 1;
my ($port, $certificate, $key) = @ARGV;
my $listener = Net::SMPP->new_listen('127.0.0.1', port => $port, smpp_version => 0x34) or die "cannot listen: $!";
print "LISTENS\n";
while (1) {
    my $bind = $listener->accept or next;
    serve($bind);
    close $bind;
}

sub serve {
    my ($wire) = @_;
    my $count = 0;
    while (1) {
        my $pdu = eval { $wire->read_pdu };
        return unless $pdu;
        my $command = $pdu->{cmd};
        if ($command == 0x00000009) {
            print "BIND $pdu->{system_id}\n";
            $wire->bind_transceiver_resp(seq => $pdu->{seq}, system_id => 'perl');
        } elsif ($command == 0x00000015) {
            $wire->enquire_link_resp(seq => $pdu->{seq});
        } elsif ($command == 0x00000006) {
            $wire->unbind_resp(seq => $pdu->{seq});
            print "UNBIND\n";
            return;
        } elsif ($command == 0x00000004) {
            my $id = sprintf 'P%08d', ++$count;
            print join(' ', 'SUBMIT', $pdu->{destination_addr}, $pdu->{source_addr}, $pdu->{esm_class}, $pdu->{data_coding},
                unpack('H*', $pdu->{short_message})), "\n";
            $wire->submit_sm_resp(seq => $pdu->{seq}, message_id => $id);
            $wire->deliver_sm(async => 1, source_addr_ton => 1, source_addr_npi => 1, source_addr => $pdu->{destination_addr},
                destination_addr => $pdu->{source_addr}, esm_class => 4,
                short_message => "id:$id sub:001 dlvrd:001 submit date:2611221200 done date:2611221201 stat:DELIVRD err:000 text:");
            $wire->deliver_sm(async => 1, source_addr_ton => 1, source_addr_npi => 1, source_addr => $pdu->{destination_addr},
                destination_addr => '43210', short_message => 'STOP grazie') if $count == 1;
        } elsif ($command == 0x80000005) {
            print "RECEIPT $pdu->{status}\n";
        }
    }
}
